// Who slows the job down. The server finds the subtask (it has the figures of all); here it gets its sentence.
import type { Culprit, JobDescription, JobFiguresMessage } from '../../../../src/rest/contract.ts';
import { type Conclusion, conclusion, saying } from './conclusion.ts';
import { labelOf } from './names.ts';

/** Names the culprit, those who wait for it, and what to do; or says that nobody waits. */
export function culpritOf(
  description: JobDescription | undefined,
  figures: JobFiguresMessage | undefined,
): Conclusion {
  if (figures === undefined) return conclusion('plain', 'culprit.unknown');
  const { culprit } = figures;
  if (culprit === null) return withoutCulprit(description, figures);
  const operator = labelOf(description, culprit.vertex);
  const victims = culprit.victims.map((vertex) => labelOf(description, vertex));
  const values = {
    operator,
    subtask: String(culprit.subtask),
    busy: { kind: 'share', value: burdenOf(culprit, figures) } as const,
    victims: victims.join(', '),
  };
  const waiting = victims.length === 0 ? [] : [saying('culprit.victims', values)];
  switch (culprit.why) {
    case 'busy':
      return conclusion('bad', 'culprit.busy', values, [...waiting, saying('culprit.busy.do', values)]);
    case 'hot-key':
      return conclusion('bad', 'culprit.hot-key', values, [...waiting, saying('culprit.hot-key.do', values)]);
    case 'slow-sink':
      return conclusion('bad', 'culprit.slow-sink', values, [
        ...waiting,
        saying('culprit.slow-sink.do', values),
      ]);
  }
}

// A sink that waits for something outside counts that as back pressure: nothing else could be behind it.
function burdenOf({ why, vertex, subtask, busyShare }: Culprit, figures: JobFiguresMessage): number {
  const own = figures.vertices[vertex]?.subtasks.find((each) => each.subtask === subtask);
  return why === 'slow-sink' ? Math.max(busyShare, own?.backPressuredShare ?? 0) : busyShare;
}

function withoutCulprit(description: JobDescription | undefined, figures: JobFiguresMessage): Conclusion {
  if (figures.state !== 'RUNNING') return conclusion('plain', 'culprit.not-running');
  const busiest = figures.vertices
    .map(({ busyShareMax }, vertex) => ({ vertex, busyShareMax }))
    .sort((left, right) => right.busyShareMax - left.busyShareMax)[0];
  if (busiest === undefined) return conclusion('plain', 'culprit.unknown');
  return conclusion('good', 'culprit.none', {
    operator: labelOf(description, busiest.vertex),
    busy: { kind: 'share', value: busiest.busyShareMax },
  });
}
