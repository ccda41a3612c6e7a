// What must compile, and after `@ts-expect-error` what must not. Checked by types.test.js with tsc.
import Resumable, { Resumable as Named } from '../../../Sources/Web/resumable';

const r = new Resumable({ target: (pairs) => `/up?${pairs.join('&')}`, query: (file, chunk) => ({ id: file.fileName, n: chunk.offset }) });
const called: Named = Resumable({ digest: 'sha-256', permanentErrors: [415] });
called.on('fileSuccess', (file, message) => { const size: number = file.size; message.trim(); void size; });
r.on('filesAdded', (added, skipped) => { const name: string = skipped[0].name; added[0].retry(); void name; });
r.on('error', (message, file) => { file?.cancel(); message.trim(); });
r.on('catchAll', (event, ...rest) => { event.trim(); void rest; });
const size: number | undefined = r.getOpt('chunkSize');
const some = r.getOpt(['target', 'maxFiles']);
some.maxFiles?.toFixed();
void size;

// @ts-expect-error sizes are numbers
new Resumable({ chunkSize: '1MB' });
// @ts-expect-error there is no such option
new Resumable({ chunksize: 1 });
// @ts-expect-error there is no such event
r.on('fileDone', () => {});
// @ts-expect-error a file is not a string
r.on('fileAdded', (file: string) => {});
// @ts-expect-error only SHA-256
new Resumable({ digest: 'md5' });
// @ts-expect-error the type of what was left out is gone
some.chunkSize;
// @ts-expect-error a number, not a string
r.files[0].markChunksCompleted('3');
