/** What is left of stamped values when those whose time is over are taken out. */

import { hasExpired } from '../ttl.ts';
import { ListBuffer } from './list-buffer.ts';
import { canonicalMapKey, MapBuffer } from './map-buffer.ts';
import type { Stamped } from './stamped.ts';
import type { StateLayout } from './state-layout.ts';

/** What a snapshot frozen at `frozenAt` writes of a value; `undefined`: nothing. What had expired by then may be left out, whenever the bytes are made. */
export function writtenValue(layout: StateLayout, value: unknown, frozenAt: number): unknown {
  const { ttl } = layout;
  if (ttl === undefined || !ttl.inFullSnapshot) return value;
  return unexpired(layout, value, (time) => hasExpired(ttl, time, frozenAt));
}

/** What is left of the value of a cell: itself when nothing has expired, `undefined` when all has. */
export function unexpired(layout: StateLayout, value: unknown, isOver: (time: number) => boolean): unknown {
  switch (layout.kind) {
    case 'list':
      return unexpiredItems(value as ListBuffer, isOver);
    case 'map':
      return unexpiredEntries(layout, value as MapBuffer, isOver);
    case 'value':
    case 'reducing':
    case 'aggregating':
      return isOver((value as Stamped<unknown>).time) ? undefined : value;
  }
}

function unexpiredItems(list: ListBuffer, isOver: (time: number) => boolean): ListBuffer | undefined {
  const items = list.peek() as readonly Stamped<unknown>[];
  const left = items.filter(({ time }) => !isOver(time));
  if (left.length === items.length) return list;
  return left.length === 0 ? undefined : new ListBuffer(left);
}

function unexpiredEntries(
  layout: StateLayout,
  map: MapBuffer,
  isOver: (time: number) => boolean,
): MapBuffer | undefined {
  const left = new MapBuffer();
  // Not by its entries: a small map would become a large one.
  map.visit((key, value) => {
    if (isOver((value as Stamped<unknown>).time)) return;
    left.set(canonicalMapKey(key, layout.keyCodec), key, value);
  });
  if (left.size === map.size) return map;
  return left.size === 0 ? undefined : left;
}
