// The same for the uploader, as a page's own script sees it: a global, no module.
/// <reference path="../../../Sources/Web/resumable-uploader.d.ts" />

// ------------------------------------------------------------------------------------------------ what must compile

const bySelectors = new ResumableUploader('token', { album: 'Summer' }, '.browse', '.drop', '.progress', '.list',
  '.edit', { language: 'zh', maxRows: 20, chunkSize: 1e6, query: (file) => ({ name: file.fileName }) });
const byElements = new ResumableUploader(null, null, document.body, document.querySelectorAll('.drop'),
  document.querySelector('.progress'), [document.body], null);
/** As much of jQuery as counts here. */
interface JQueryLike { readonly length: number; readonly [index: number]: HTMLElement; fadeIn(): this }
declare function $(selector: string): JQueryLike;
const byJQuery = new ResumableUploader('', {}, $('.browse'), $('.drop'), $('.progress'), $('.list'), $('.edit'));
const french = new ResumableUploader('', {}, null, null, null, null, null,
  { language: 'fr', words: { uploading: 'Envoi' }, dropAnywhere: true });
void french;
const bare: ResumableUploader = new ResumableUploader(undefined, undefined);

bySelectors.resumable.on('fileSuccess', (file) => bySelectors.setMeta(file, { title: file.fileName }));
for (const file of byElements.resumable.files) byElements.metaOf(file).title.trim();
byJQuery.meta = { album: 'Winter' };
byJQuery.notice(ResumableUploader.tools.formatBytes(bare.resumable.getSize(), bare.language));
const over: boolean = bare.state === 'done';
void over;

// ---------------------------------------------------------------------------------------------- what must not compile

// @ts-expect-error a place is not a number
new ResumableUploader('', {}, 1);
// @ts-expect-error metadata are strings
new ResumableUploader('', { year: 2024 });
// @ts-expect-error there is no such text
new ResumableUploader('', {}, null, null, null, null, null, { language: 'fr', words: { uplodaing: 'Envoi' } });
// @ts-expect-error there is no such option
new ResumableUploader('', {}, null, null, null, null, null, { rows: 20 });
// @ts-expect-error the first two arguments are required
new ResumableUploader('');
// @ts-expect-error the state follows from the files
bare.state = 'done';
// @ts-expect-error there is no such state
bare.state === 'failed';
