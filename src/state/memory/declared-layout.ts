/** How a declared state becomes bytes, and whether bytes that were stored can be read as it. */

import { MillraceError } from '../../base/errors.ts';
import { genericCodec } from '../../codecs/generic.ts';
import type { StateDescriptor } from '../descriptors.ts';
import { ttlRules } from '../ttl.ts';
import { StampedCodec } from './stamped.ts';
import type { RestoredSection, StateLayout } from './state-layout.ts';
import { stampedCodec } from './stored-codec.ts';

/** What is known of a stored state before it is read. */
export type StoredState = Pick<RestoredSection, 'name' | 'kind' | 'codecId' | 'keyCodecId'>;

/** The layout of a declared state. */
export function layoutOf(name: string, descriptor: StateDescriptor): StateLayout {
  const codec = descriptor.codec ?? genericCodec;
  const layout = {
    name,
    kind: descriptor.kind,
    codec,
    keyCodec: (descriptor.kind === 'map' ? descriptor.keyCodec : undefined) ?? genericCodec,
  };
  if (descriptor.ttl === undefined) return layout;
  return { ...layout, codec: new StampedCodec(codec), ttl: ttlRules(descriptor.ttl) };
}

/**
 * Throws unless what was stored can be read as `layout`: STATE_TYPE_CHANGED, STATE_CODEC_CHANGED, or STATE_SCHEMA_CHANGED
 * with every difference.
 */
export function checkStored(layout: StateLayout, stored: StoredState, operatorUid: string): void {
  const state = `state "${layout.name}"`;
  if (stored.kind !== layout.kind) {
    throw new MillraceError(
      'STATE_TYPE_CHANGED',
      `${state} is declared as ${layout.kind}, but was restored as ${stored.kind} (operator ${operatorUid})`,
      { where: { uid: operatorUid } },
    );
  }
  const where = { state, operatorUid };
  stampedCodec(stored.codecId, layout.codec, where, () => 0);
  if (stored.keyCodecId !== '') stampedCodec(stored.keyCodecId, layout.keyCodec, where, () => 0);
}
