// The rules of the house as pure functions: files in, messages out. Each message says where, what and the remedy.
import {
  entryPoints,
  meaninglessFolders,
  type OutsideWorld,
  outsideWorld,
  publicFaces,
  rooms,
  type Outside,
  seams,
} from '../rooms.ts';
import { exportedNames, lineAt, resolveImport, type SourceFile, methodsOf } from './scan.ts';

/** All files that a check looks at, by path. */
export type Files = ReadonlyMap<string, SourceFile>;

/** Imports that go through a wall. */
export function brokenWalls(files: Files): string[] {
  return production(files).flatMap((file) => {
    const room = roomOf(file.path);
    const allowed = rooms[room];
    if (allowed === undefined) {
      return [
        `${file.path}: the room "${room}" is not in test/rooms.ts; move the file, or add the room with what it may import`,
      ];
    }
    return file.imports.flatMap(({ specifier, line }) => {
      const target = resolveImport(file.path, specifier);
      if (target === undefined || roomOf(target) === room || allowed.some((entry) => isIn(target, entry)))
        return [];
      return [
        `${file.path}:${line}: "${room}" may not import ${target}. It may import ${list(allowed)}. Declare the narrow ` +
          `interface you need in "${room}" or below and let the caller pass it in, or move the code to where it belongs`,
      ];
    });
  });
}

/** Imports that leave `src/`, name a file that is not there, or name this package itself. */
export function strayImports(files: Files): string[] {
  return production(files).flatMap((file) =>
    file.imports.flatMap(({ specifier, line }) => {
      const target = resolveImport(file.path, specifier);
      if (target === undefined) {
        const isSelf = specifier === 'millrace' || specifier.startsWith('millrace/');
        return isSelf
          ? [`${file.path}:${line}: import the file by its relative path, not the package "${specifier}"`]
          : [];
      }
      if (!target.startsWith('src/'))
        return [`${file.path}:${line}: ${target} is outside src/ and is not published; move it in`];
      return files.has(target) ? [] : [`${file.path}:${line}: ${target} does not exist; correct the path`];
    }),
  );
}

/** Libraries that more than one room imports. */
export function spreadLibraries(files: Files): string[] {
  const users = new Map<string, Map<string, string>>();
  for (const file of production(files)) {
    for (const { specifier, line } of file.imports) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue;
      const library = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
      const places = users.get(library) ?? new Map<string, string>();
      if (!places.has(roomOf(file.path))) places.set(roomOf(file.path), `${file.path}:${line}`);
      users.set(library, places);
    }
  }
  return [...users]
    .filter(([, places]) => places.size > 1)
    .map(
      ([library, places]) =>
        `${library} is imported by ${list([...places.values()])}; let one room wrap it and the others use the wrapper`,
    );
}

/** Circles of files that import each other. */
export function circles(files: Files): string[] {
  const graph = importGraph(production(files), files);
  return components(graph)
    .filter(
      (component) => component.length > 1 || graph.get(component[0] ?? '')?.includes(component[0] ?? ''),
    )
    .map((component) => {
      const way = shortestCircle(component, graph);
      return `${way.join(' → ')}: break the circle; the usual way is to declare the interface that both need in the lower file`;
    });
}

/** Files that no entry point reaches. Their own unit tests do not keep them alive; tests that cross rooms do. */
export function deadFiles(files: Files): string[] {
  const graph = importGraph([...files.values()], files);
  const isRoot = (path: string): boolean =>
    entryPoints.some((entry) => entry.test(path)) || (path.startsWith('test/') && path.endsWith('.test.ts'));
  const alive = new Set([...files.keys()].filter(isRoot));
  for (const path of alive) for (const next of graph.get(path) ?? []) alive.add(next);
  return production(files)
    .filter((file) => !alive.has(file.path))
    .map(
      (file) =>
        `${file.path}: no entry point reaches it; use it or delete it (a unit test alone does not keep a file)`,
    );
}

/** Places that touch the outside world although they are no seam. */
export function outsideTouches(files: Files): string[] {
  return production(files).flatMap((file) => {
    const allowed = new Set<Outside>(
      seams.filter((seam) => seam.files.test(file.path)).flatMap((seam) => seam.may),
    );
    return (Object.entries(outsideWorld) as [Outside, OutsideWorld][])
      .filter(([outside]) => !allowed.has(outside))
      .flatMap(([outside, { code = [], modules = [], remedy }]) => {
        const inCode = code.flatMap((pattern) =>
          [...file.code.matchAll(pattern)].map((match) => ({
            line: lineAt(file.text, match.index),
            what: match[0].trim(),
          })),
        );
        const inImports = file.imports
          .filter(({ specifier }) => modules.includes(specifier.replace(/^node:/, '')))
          .map(({ specifier, line }) => ({ line, what: specifier }));
        return [...inCode, ...inImports].map(
          ({ line, what }) =>
            `${file.path}:${line}: \`${what}\` touches the outside world (${outside}): ${remedy}. ` +
            'If this file really is a seam, list it in test/rooms.ts with the reason',
        );
      });
  });
}

/** Seams that no file matches: the list must not rot. */
export function unusedSeams(files: Files): string[] {
  return seams
    .filter((seam) => !production(files).some((file) => seam.files.test(file.path)))
    .map((seam) => `${seam.files}: no file is this seam; remove it from test/rooms.ts`);
}

/** Public names without a doc comment, and values among them without an example. */
export function undocumentedNames(files: Files): string[] {
  return Object.entries(publicFaces).flatMap(([face, path]) =>
    exportedNames(path, files).flatMap((found) => {
      const place = `${found.path}:${found.line}: \`${found.name}\` of ${face}`;
      const messages: string[] = [];
      if (found.kind === 'unknown')
        messages.push(
          `${place}: its declaration was not found; export it by name from the file that declares it`,
        );
      else if (found.doc === undefined || found.doc === '')
        messages.push(`${place} has no doc comment: say in one sentence what it is, then show an example`);
      else if (isValue(found.kind) && !/^```ts\b/m.test(found.doc))
        messages.push(`${place} has no example: add a \`\`\`ts block that compiles to its doc comment`);
      for (const method of methodsOf(found, files).filter(({ doc }) => doc === undefined)) {
        messages.push(
          `${method.path}:${method.line}: \`${method.name}\` of ${face} has no doc comment: say in one sentence what it promises`,
        );
      }
      return messages;
    }),
  );
}

/** Codes of the error table that no code names; in the table itself a code is a bare key, in quotes it is used. */
export function unthrownCodes(codes: readonly string[], files: Files, table: string): string[] {
  const texts = production(files);
  return codes
    .filter((code) => !texts.some((file) => file.text.includes(`'${code}'`)))
    .map(
      (code) =>
        `${table}: nothing throws ${code}; throw it where it belongs or remove the row (a code is never reused)`,
    );
}

/** `export *`, and folders whose name says nothing. */
export function vagueNames(files: Files): string[] {
  return production(files).flatMap((file) => {
    const star = /\bexport\s*\*/.exec(file.code);
    const folder = file.path
      .split('/')
      .slice(0, -1)
      .find((part) => meaninglessFolders.includes(part));
    return [
      ...(star === null
        ? []
        : [
            `${file.path}:${lineAt(file.text, star.index)}: \`export *\` hides what is offered; list the names`,
          ]),
      ...(folder === undefined
        ? []
        : [`${file.path}: the folder "${folder}" says nothing; name it after what is inside`]),
    ];
  });
}

/** The room of a path: the folder under `src/`, or the name of a file that lies in `src/` itself. */
export function roomOf(path: string): string {
  return path.split('/')[1]?.replace(/\.ts$/, '') ?? '';
}

function production(files: Files): SourceFile[] {
  return [...files.values()].filter(
    (file) => file.path.startsWith('src/') && !file.path.endsWith('.test.ts'),
  );
}

function isIn(path: string, entry: string): boolean {
  return path === `src/${entry}.ts` || (!entry.includes('/') && roomOf(path) === entry);
}

function isValue(kind: string): boolean {
  return kind === 'class' || kind === 'function' || kind === 'const';
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.join(', ');
}

function importGraph(from: readonly SourceFile[], files: Files): Map<string, string[]> {
  return new Map(
    from.map((file) => [
      file.path,
      file.imports
        .map(({ specifier }) => resolveImport(file.path, specifier))
        .filter((target): target is string => target !== undefined && files.has(target)),
    ]),
  );
}

// Tarjan's strongly connected components, with a stack of its own because an import chain may be long.
function components(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const found: string[][] = [];
  for (const root of graph.keys()) {
    if (index.has(root)) continue;
    const work: { path: string; next: number }[] = [{ path: root, next: 0 }];
    while (work.length > 0) {
      const frame = work.at(-1)!;
      const { path } = frame;
      if (frame.next === 0) {
        index.set(path, index.size);
        low.set(path, index.get(path)!);
        stack.push(path);
        onStack.add(path);
      }
      const target = (graph.get(path) ?? [])[frame.next];
      frame.next += 1;
      if (target !== undefined) {
        if (!index.has(target)) work.push({ path: target, next: 0 });
        else if (onStack.has(target)) low.set(path, Math.min(low.get(path)!, index.get(target)!));
        continue;
      }
      work.pop();
      const parent = work.at(-1)?.path;
      if (parent !== undefined) low.set(parent, Math.min(low.get(parent)!, low.get(path)!));
      if (low.get(path) !== index.get(path)) continue;
      const component = stack.splice(stack.indexOf(path));
      for (const member of component) onStack.delete(member);
      found.push(component);
    }
  }
  return found;
}

// Breadth first from each member back to itself; the shortest circle is the one worth reading.
function shortestCircle(
  component: readonly string[],
  graph: ReadonlyMap<string, readonly string[]>,
): string[] {
  const ways = component.map((start) => circleFrom(start, new Set(component), graph));
  return ways.reduce((best, way) => (way.length < best.length ? way : best));
}

function circleFrom(
  start: string,
  members: ReadonlySet<string>,
  graph: ReadonlyMap<string, readonly string[]>,
): string[] {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (const path of queue) {
    for (const next of graph.get(path) ?? []) {
      if (next === start) {
        const way = [start];
        for (let at = path; at !== start; at = cameFrom.get(at)!) way.unshift(at);
        return [start, ...way];
      }
      if (!members.has(next) || cameFrom.has(next)) continue;
      cameFrom.set(next, path);
      queue.push(next);
    }
  }
  return [start];
}
