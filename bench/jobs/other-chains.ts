// Chains of other shapes that run in the same thread, so that the engine has seen more than the one that is measured.
import { generatorSource, type Sink, type StreamExecutionEnvironment } from 'millrace';

/** Records of each: enough for its code to be compiled. */
const COUNT = 50_000;

/** Adds three short jobs, each with records and functions of its own, to the one that is measured. */
export function addOtherChains(env: StreamExecutionEnvironment): void {
  env
    .fromSource(
      generatorSource((index) => ({ city: `city-${index % 50}`, degrees: (index % 400) / 10 }), {
        count: COUNT,
      }),
      { uid: 'readings' },
    )
    .map(({ city, degrees }) => ({ city, fahrenheit: degrees * 1.8 + 32 }))
    .filter(({ fahrenheit }) => fahrenheit > 50)
    .sinkTo(nowhere(), { uid: 'readings out' });
  env
    .fromSource(
      generatorSource((index) => [index, index % 7], { count: COUNT }),
      { uid: 'pairs' },
    )
    .filter(([, kind]) => kind !== 3)
    .map(([value, kind]) => value! * kind!)
    .sinkTo(nowhere(), { uid: 'pairs out' });
  env
    .fromSource(
      generatorSource((index) => index * 3, { count: COUNT }),
      { uid: 'numbers' },
    )
    .map((value) => `${value}`)
    .map((text) => text.length)
    .sinkTo(nowhere(), { uid: 'numbers out' });
}

function nowhere<T>(): Sink<T> {
  return {
    name: 'nowhere',
    guarantee: 'at-least-once',
    createWriter: () => ({ write: () => {}, prepareCommit: () => Promise.resolve([]) }),
  };
}
