/** Items of operator state, read without the declaration that wrote them; what cannot be read so stays bytes. */

import { BinaryReader } from '../codecs/binary.ts';
import type { Codec } from '../codecs/codec.ts';
import { BroadcastStates } from '../state/broadcast-state.ts';
import { codecOfId } from '../state/memory/stored-entries.ts';

/** The value of an item of a section. */
export function storedItem(section: string, item: Uint8Array): unknown {
  if (section === 'splits') return JSON.parse(new TextDecoder().decode(item)) as unknown;
  if (section === 'broadcast') return broadcastItem(item);
  if (section.startsWith('list/') || section.startsWith('union/')) return listItem(item);
  return item;
}

/** An item as operator-lists.ts draws it. */
function listItem(item: Uint8Array): unknown {
  const from = new BinaryReader(item);
  const codec = codecOfId(from.string());
  return codec === undefined ? item : codec.decode(from);
}

/** A map as broadcast-state.ts draws it: its name, and its entries. */
function broadcastItem(item: Uint8Array): unknown {
  const from = new BinaryReader(item);
  const name = from.string();
  const keyCodec: Codec<unknown> | undefined = codecOfId(from.string());
  const codec = codecOfId(from.string());
  if (keyCodec === undefined || codec === undefined) return item;
  const { handles } = new BroadcastStates({ [name]: { kind: 'map', keyCodec, codec } }, [item]);
  return { name, entries: new Map(handles[name]?.entries()) };
}
