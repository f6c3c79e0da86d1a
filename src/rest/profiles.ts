/** Profiles of slots' threads, of what they compute or allocate: taken on demand, one at a time for each slot, kept for a while. */

import type { ClusterWatch } from './cluster-watch.ts';
import { badRequest, field } from './context.ts';
import type { Profile } from './contract.ts';
import type { JobWatch } from './job-watch.ts';
import { type Answer, Refusal } from './router.ts';

/** Profiles that are kept. */
export const PROFILES_KEPT = 10;
const DURATION_MS_MIN = 100;
const DURATION_MS_MAX = 60_000;
const DURATION_MS_DEFAULT = 5_000;
/** What a slot may take longer than the profile. */
const SLACK_MS = 15_000;

interface Entry {
  profile: Profile;
  text: string | undefined;
}

/** The profiles of all workers. */
export class ProfileBook {
  readonly #watch: ClusterWatch;
  readonly #entries = new Map<string, Entry>();

  constructor(watch: ClusterWatch) {
    this.#watch = watch;
  }

  /** Begins one, or refuses. */
  begin(workerId: string, body: unknown): Profile {
    const slot = field(body, 'slot');
    const durationMs = field(body, 'durationMs') ?? DURATION_MS_DEFAULT;
    const of = field(body, 'of') ?? 'cpu';
    if (typeof slot !== 'number') throw badRequest('"slot" is no number');
    if (of !== 'cpu' && of !== 'heap') throw badRequest('"of" is neither "cpu" nor "heap"');
    const isFit =
      typeof durationMs === 'number' && durationMs >= DURATION_MS_MIN && durationMs <= DURATION_MS_MAX;
    if (!isFit) throw badRequest(`"durationMs" is not between ${DURATION_MS_MIN} and ${DURATION_MS_MAX}`);
    const found = slotIn(this.#watch.watches(), workerId, slot);
    if (found === undefined)
      throw new Refusal(404, `NotFoundException: nothing runs in slot ${slot} of ${workerId}`);
    for (const { profile } of this.#entries.values()) {
      const isSame = profile.workerId === workerId && profile.slot === slot;
      if (isSame && profile.status === 'IN_PROGRESS')
        throw new Refusal(409, 'The slot is being profiled already.');
    }
    const { clock, random } = this.#watch.cluster.env;
    const entry: Entry = {
      text: undefined,
      profile: {
        profileId: random.id(),
        workerId,
        slot,
        of,
        startedAt: clock.now(),
        durationMs,
        status: 'IN_PROGRESS',
        failure: null,
        bytes: null,
      },
    };
    this.#entries.set(entry.profile.profileId, entry);
    for (const id of this.#entries.keys()) {
      if (this.#entries.size <= PROFILES_KEPT) break;
      this.#entries.delete(id);
    }
    found.watch.job.source
      .inspect(found.slot, { kind: 'profile', durationMs, of }, durationMs + SLACK_MS)
      .then(
        (answer) => {
          entry.text = String(answer as string);
          entry.profile = { ...entry.profile, status: 'COMPLETED', bytes: entry.text.length };
        },
        (error: unknown) => {
          const failure = error instanceof Error ? error.message : String(error);
          entry.profile = { ...entry.profile, status: 'FAILED', failure };
        },
      );
    return entry.profile;
  }

  ofWorker(workerId: string): readonly Profile[] {
    return [...this.#entries.values()]
      .map(({ profile }) => profile)
      .filter((profile) => profile.workerId === workerId);
  }

  get(workerId: string, profileId: string): Profile {
    return this.#find(workerId, profileId).profile;
  }

  /** As the tools of Node and of browsers read it. */
  file(workerId: string, profileId: string): Answer {
    const { profile, text } = this.#find(workerId, profileId);
    if (text === undefined) throw new Refusal(409, `The profile is ${profile.status}.`);
    const name = `slot-${profile.slot}-${profile.startedAt}.${profile.of}profile`;
    return {
      kind: 'bytes',
      status: 200,
      type: 'application/json; charset=utf-8',
      bytes: text,
      headers: { 'Content-Disposition': `attachment; filename="${name}"` },
    };
  }

  #find(workerId: string, profileId: string): Entry {
    const found = this.#entries.get(profileId);
    if (found === undefined || found.profile.workerId !== workerId) {
      throw new Refusal(404, `NotFoundException: profile ${profileId} is not known`);
    }
    return found;
  }
}

/** The job that runs in a slot of a worker, and its own number of that slot. */
function slotIn(
  watches: readonly JobWatch[],
  workerId: string,
  slot: number,
): { readonly watch: JobWatch; readonly slot: number } | undefined {
  for (const watch of watches) {
    const found = watch.job.source.executions().find((execution) => {
      const place = watch.job.placeOf(execution.slot);
      return place.workerId === workerId && place.slot === slot && execution.state === 'RUNNING';
    });
    if (found !== undefined) return { watch, slot: found.slot };
  }
  return undefined;
}
