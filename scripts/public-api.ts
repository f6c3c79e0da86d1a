// The public names as a list that is reviewed: `npm run api:accept` writes it, test/public-api.test.ts compares it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { readHouse, root } from '../test/architecture/read.ts';
import { exportedNames, methodsOf } from '../test/architecture/scan.ts';
import { publicFaces } from '../test/rooms.ts';

/** Where the list lies, relative to the repository. */
export const publicApiPath = 'test/public-api.txt';

/** The list: one line for each name of each face, and for each public method of a class. */
export function publicApi(): string {
  const files = readHouse();
  const lines = Object.entries(publicFaces).flatMap(([face, path]) =>
    exportedNames(path, files).flatMap((found) => [
      `${face}: ${found.kind} ${found.name}`,
      ...methodsOf(found, files)
        .map((method) => `${face}: method ${method.name}`)
        .sort(),
    ]),
  );
  return `${lines.join('\n')}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = publicApi();
  if (process.argv.includes('--accept')) writeFileSync(join(root, publicApiPath), text);
  else process.stdout.write(text);
}
