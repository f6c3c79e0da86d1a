// Dynamic rules by broadcast: every subtask knows all rules, and a rule that arrives counts from the next reading on.
import { fileURLToPath } from 'node:url';
import { files, job, state } from 'millrace';

const bundled = (name: string) => fileURLToPath(new URL(`./data/${name}`, import.meta.url));

/** What a sensor measured. */
export interface Reading {
  readonly sensor: string;
  readonly value: number;
}

/** A limit of all sensors; `null` takes the rule away. */
export interface Rule {
  readonly rule: string;
  readonly above: number | null;
}

export default job((env, args) => {
  const input = args.string('input', bundled('readings.jsonl'));
  const ruleInput = args.string('rules', bundled('rules.jsonl'));
  const output = args.string('output', '.millrace/dynamic-rules/output');

  const rules = env.fromSource(files.jsonLines<Rule>(ruleInput), { uid: 'rules' });
  env
    .fromSource(files.jsonLines<Reading>(input, { ratePerSecond: args.number('rate', 10) }), {
      uid: 'readings',
    })
    .keyBy('sensor')
    .connect(rules.broadcast({ limits: state.map<string, number>() }))
    .process({
      uid: 'apply-rules',
      state: { broken: state.map<string, number>() },
      *process({ sensor, value }, { broadcast, state: { broken } }) {
        for (const [rule, above] of broadcast.limits.entries()) {
          if (value <= above) continue;
          const times = (broken.get(rule) ?? 0) + 1;
          broken.set(rule, times);
          yield { sensor, rule, value, times };
        }
      },
      processBroadcast({ rule, above }, { broadcast }) {
        if (above === null) broadcast.limits.delete(rule);
        else broadcast.limits.set(rule, above);
      },
    })
    .sinkTo(files.jsonLinesSink(output), { uid: 'alerts' });
});
