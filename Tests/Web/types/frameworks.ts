// Components of React and Vue that use the library, as Sources/Web/README.md shows them. Only the few functions of the
// frameworks that they need are declared here, with the frameworks' types.
import Resumable from '../../../Sources/Web/resumable';

// ---------------------------------------------------------------------------------------------------------- React

declare function useRef<T>(initial: T | null): { readonly current: T | null };
declare function useState<T>(initial: T): [T, (next: T | ((before: T) => T)) => void];
declare function useEffect(effect: () => void | (() => void), dependencies: readonly unknown[]): void;

/** The part of a React component that is not markup. StrictMode runs the effect twice. */
export function useUploads(target: string) {
  const browse = useRef<HTMLButtonElement>(null);
  const [names, setNames] = useState<string[]>([]);
  useEffect(() => {
    const r = new Resumable({ target });
    r.assignBrowse(browse.current);
    r.on('fileAdded', () => r.upload());
    r.on('fileSuccess', (file) => setNames((before) => [...before, file.fileName]));
    return () => r.destroy();
  }, [target]);
  return { browse, names };
}

// ------------------------------------------------------------------------------------------------------------ Vue

declare function ref<T>(value: T): { value: T };
declare function onMounted(hook: () => unknown): void;
declare function onUnmounted(hook: () => unknown): void;

/** The part of a Vue component that is not markup. The list of files is a copy, so that Vue wraps no instance. */
export function useVueUploads(target: string) {
  const browse = ref<HTMLButtonElement | null>(null);
  const files = ref<{ name: string, progress: number }[]>([]);
  const r = new Resumable({ target });
  const show = () => {
    files.value = r.files.map((file) => ({ name: file.fileName, progress: file.progress() }));
  };
  onMounted(() => {
    r.assignBrowse(browse.value);
    r.on('fileAdded', () => r.upload());
    r.on('catchall', show);
  });
  onUnmounted(() => r.destroy());
  return { browse, files };
}
