// Valid uses, and after `@ts-expect-error` invalid uses. types.test.js checks them with tsc.
import Resumable, { Resumable as Named } from '../../../Sources/Web/resumable';
import ResumableRecovery, { ResumableRecovery as NamedRecovery } from '../../../Sources/Web/resumable-recovery';

// ------------------------------------------------------------------------------------------------------ valid uses

const r = new Resumable({
  target: (pairs) => `/up?${pairs.join('&')}`,
  query: (file, chunk) => ({ id: file.fileName, n: chunk.offset }),
});
const called: Named = Resumable({ digest: 'sha-256', permanentErrors: [415] });
called.on('filesuccess', (file, message) => file.fileName + message.trim());
called.off('filesadded').on('catchall', (event, ...rest) => { void [event.trim(), rest]; });
called.on('fileSuccess', (file, message) => { const size: number = file.size; message.trim(); void size; });
r.on('filesAdded', (added, skipped) => { const name: string = skipped[0].name; added[0].retry(); void name; });
r.on('error', (message, file) => { file?.cancel(); message.trim(); });
r.on('fileError', (file, message) => { if (!file.permanentError) file.retry(); message.trim(); });
r.on('fileAdded', (file, event) => { event?.preventDefault(); file.opts.query = { title: file.fileName }; });
r.on('fileRemoved', (file) => file.uniqueIdentifier.length).off('fileRemoved');
r.on('chunkingProgress', (file, ratio) => ratio.toFixed() + file.fileName);
r.on('catchAll', (event, ...rest) => { event.trim(); void rest; });
const size: number | undefined = r.getOpt('chunkSize');
const some = r.getOpt(['target', 'maxFiles']);
some.maxFiles?.toFixed();
r.files[0].getOpt(['chunkSize']).chunkSize?.toFixed();
r.files[0].chunks[0].opts.target = '/elsewhere';
const name: false | string = (r.getFromUniqueIdentifier('x') || { fileName: '' }).fileName;
const identifier: string | Promise<string> = r.identifierOf(new File([], 'a'));
r.assignBrowse(document.querySelectorAll('a'), true);
r.unAssignBrowse(document.querySelector('a'));
r.assignDrop(document.body);
r.destroy();
r.unAssignDrop([document.body]);
r.addFiles([new File([], 'a')], new Event('paste'));
r.handleDropEvent(new DragEvent('drop')).then(() => r.upload());
r.updateQuery((file) => ({ id: file.fileName }));
r.updateQuery(async () => ({ tags: ['red', 'blue'] }));
r.updateQuery(new URLSearchParams('tag=red&tag=blue'));
r.addFile(new Blob([]));
new Resumable({ target: new URL('https://example.org/up'), headers: async () => new Headers({ 'X-A': '1' }) });
r.files[0].pause(false);
r.files = r.files.filter((file) => !file.isComplete());
r.files = [];
new Resumable({
  headers: (file, chunk) => ({ 'X-Part': `${file.fileName} ${chunk.offset}` }),
  preprocess: (chunk) => chunk.preprocessFinished(),
  preprocessFile: (file) => file.preprocessFinished(),
  generateUniqueIdentifier: async (file, event) => (event ? file.name : null),
  chunkNumberParameterName: false, totalChunksParameterName: null, typeParameterName: '',
  maxFilesErrorCallback(files, errorCount) { this.pause(); files[0].name.repeat(errorCount); },
  fileTypeErrorCallback: (file, errorCount) => file.name.repeat(errorCount),
  platform: { now: () => 0 },
});

async function recover() {
  const recovery: NamedRecovery = new ResumableRecovery(r, { database: 'mine', platform: { indexedDB: undefined } });
  const [entry] = await recovery.list();
  const told: 'resumed' | 'changed' | 'needsFile' | 'taken' = await recovery.resume(entry);
  const found = recovery.matches(new File([], entry.fileName));
  if (found?.hasHandle) await recovery.resume(found, new File([], 'a'));
  await recovery.addHandles([] as FileSystemFileHandle[], new Event('click'));
  await recovery.forget(entry);
  recovery.close();

  // @ts-expect-error an entry is read-only
  entry.progress = 1;
  // @ts-expect-error there is no such result
  const wrong: 'gone' = told;
  // @ts-expect-error a path is not a file
  recovery.matches('/home/a');
  // @ts-expect-error an entry is not an identifier
  recovery.forget(entry.uniqueIdentifier);
  // @ts-expect-error handles, not files
  recovery.addHandles([new File([], 'a')]);
  // @ts-expect-error it needs the instance
  new ResumableRecovery();
  // @ts-expect-error there is no such option
  new ResumableRecovery(r, { name: 'mine' });
  return wrong;
}
void [size, name, identifier, recover];

// ---------------------------------------------------------------------------------------------------- invalid uses

// @ts-expect-error sizes are numbers
new Resumable({ chunkSize: '1MB' });
// @ts-expect-error there is no such option
new Resumable({ chunksize: 1 });
// @ts-expect-error there is no such event
r.on('fileDone', () => {});
// @ts-expect-error nor this one
r.on('FILESUCCESS', () => {});
// @ts-expect-error a file is not a string
r.on('fileAdded', (file: string) => {});
// @ts-expect-error only SHA-256
new Resumable({ digest: 'md5' });
// @ts-expect-error only these two
new Resumable({ method: 'stream' });
// @ts-expect-error only methods that have a body
new Resumable({ uploadMethod: 'GET' });
// @ts-expect-error a name or something falsy
new Resumable({ typeParameterName: true });
// @ts-expect-error values are not objects
new Resumable({ query: { user: { id: 1 } } });
// @ts-expect-error an option that was not asked for is not in the result
some.chunkSize;
// @ts-expect-error a number, not a string
r.files[0].markChunksCompleted('3');
// @ts-expect-error the server's answer is read-only
r.files[0].permanentError = false;
// @ts-expect-error it may be false
r.getFromUniqueIdentifier('x').fileName;
// @ts-expect-error message comes first, then the file
r.on('error', (file: Resumable.ResumableFile, message: string) => {});
// @ts-expect-error progress() takes a flag
r.files[0].progress('relative');
