// Writes `test/golden/wire/` and `test/golden/records/`: what this version says between processes, and what its JobManagers
// keep of jobs, byte by byte.
//
// A file that is there stays as it is, because it is the proof. A new protocol or format has a new number, and so a new file:
//
//   node scripts/golden-bytes.ts

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { RECORD_FORMAT } from '../src/ha/record.ts';
import { PROTOCOL_VERSION } from '../src/exchange/handshake.ts';
import { recordTexts } from '../test/golden/records.ts';
import { wireBytes } from '../test/golden/wire.ts';

function keep(path: string, content: Readonly<Record<string, string>>): void {
  const file = new URL(`../test/golden/${path}`, import.meta.url);
  if (existsSync(file)) return console.log(`${path} is there, and is never written again`);
  mkdirSync(new URL('.', file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
  console.log(`${path}: ${Object.keys(content).length} entries`);
}

const messages = [...(await wireBytes())].map(([name, bytes]) => [name, Buffer.from(bytes).toString('hex')]);
keep(`wire/protocol-${PROTOCOL_VERSION}.json`, Object.fromEntries(messages) as Record<string, string>);
keep(`records/format-${RECORD_FORMAT}.json`, await recordTexts());
