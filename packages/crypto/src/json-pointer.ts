/** A JSON Pointer (RFC 6901) in parts. In a pattern, a part `*` stands for every item and every value. */
export type Path = readonly string[];

export function parsePointer(pointer: string): Path {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

export function formatPointer(path: Path): string {
  return path.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** Whether a pattern names a place, or one that holds it. */
export function covers(pattern: Path, path: Path): boolean {
  return (
    pattern.length <= path.length &&
    pattern.every((part, index) => part === '*' || part === path[index])
  );
}
