// The walls of the house as data: which room may import which, where the outside world may be touched, what is an entry.

/** What each room of `src/` may import besides itself; `exchange/batch` means this one file. `import type` counts. */
export const rooms: Readonly<Record<string, readonly string[]>> = {
  base: [],
  codecs: ['base'],
  metrics: ['base'],
  state: ['base', 'codecs', 'metrics'],
  exchange: ['base', 'codecs', 'metrics'],
  checkpoint: ['base', 'codecs', 'state'],
  stores: ['base'],
  operators: [
    'base',
    'codecs',
    'metrics',
    'state',
    'exchange/batch',
    'exchange/events',
    'exchange/partitioners',
  ],
  connectors: ['base', 'codecs', 'operators'],
  graph: ['base', 'codecs', 'exchange/partitioners', 'operators'],
  task: [
    'base',
    'codecs',
    'metrics',
    'state',
    'exchange/batch',
    'exchange/events',
    'exchange/hand-over',
    'exchange/watermark-merge',
    'operators',
    'graph',
  ],
  hosts: ['base', 'codecs', 'metrics', 'state', 'exchange', 'checkpoint', 'graph', 'task'],
  streams: ['base', 'codecs', 'state', 'operators', 'connectors', 'graph'],
  cep: ['base', 'codecs', 'state', 'operators', 'streams'],
  table: ['base', 'codecs', 'state', 'operators', 'connectors', 'graph', 'streams'],
  ha: ['base', 'checkpoint/checked-json', 'checkpoint/durable-files'],
  cluster: [
    'base',
    'codecs',
    'metrics',
    'ha',
    'exchange',
    'checkpoint',
    'operators/accumulators',
    'operators/source',
    'operators/sink',
    'graph',
    'hosts',
  ],
  rest: ['base', 'metrics', 'checkpoint', 'graph', 'savepoints', 'cluster'],
  telemetry: ['base', 'metrics', 'graph', 'cluster', 'rest'],
  run: [
    'base',
    'codecs',
    'graph',
    'hosts/messages',
    'hosts/thread',
    'hosts/worker',
    'streams',
    'stores',
    'cluster',
  ],
  savepoints: ['base', 'codecs', 'state', 'checkpoint', 'stores'],
  watched: ['base', 'stores', 'graph', 'cluster', 'run', 'rest', 'telemetry'],
  cli: ['base', 'graph', 'savepoints', 'stores', 'run', 'ha', 'cluster', 'rest', 'watched', 'table'],
  testing: [
    'base',
    'codecs',
    'metrics',
    'state',
    'exchange',
    'checkpoint',
    'operators',
    'connectors',
    'graph',
    'task',
    'hosts',
    'streams',
    'cluster',
    'run',
  ],
  index: [
    'base',
    'codecs',
    'metrics',
    'state',
    'operators',
    'connectors',
    'streams',
    'run',
    'watched/program-runs',
  ],
};

/** Files that the outside starts or imports; everything else in `src/` must be reached from them. */
export const entryPoints: readonly RegExp[] = [
  /^src\/index\.ts$/,
  /^src\/testing\/index\.ts$/,
  /^src\/savepoints\/index\.ts$/,
  /^src\/cli\/main\.ts$/,
  /^src\/hosts\/worker[\w-]*\.ts$/,
  /^src\/run\/(?:worker|cluster-process)\.ts$/,
  // The dashboard is built against these types.
  /^src\/rest\/contract\.ts$/,
  /^src\/rest\/index\.ts$/,
];

/** The faces whose names are public: each name is documented and listed in `public-api.txt`. */
export const publicFaces: Readonly<Record<string, string>> = {
  millrace: 'src/index.ts',
  'millrace/rest-client': 'src/rest/index.ts',
  'millrace/state': 'src/savepoints/index.ts',
  'millrace/testing': 'src/testing/index.ts',
};

/** Folder names that say nothing about what is inside. */
export const meaninglessFolders = ['utils', 'common', 'core', 'impl', 'shared', 'helpers'];

/** Something that would make a run depend on more than its seed, and where to get it instead. */
export interface OutsideWorld {
  /** Matched against the code without comments and strings. */
  readonly code?: readonly RegExp[];
  readonly modules?: readonly string[];
  readonly remedy: string;
}

/** What only the seam files may touch. */
export const outsideWorld = {
  time: {
    code: [
      /(?<![\w$])Date\.now\b/g,
      /\bnew\s+Date\s*(?:\(\s*\)|(?=[;,)\]}\s]*$))/gm,
      /(?<![.\w$]|new\s+)Date\s*\(/g,
      /(?<![.\w$])performance\s*\./g,
      /\bprocess\s*\.\s*(?:hrtime|uptime)\b/g,
    ],
    modules: ['perf_hooks'],
    remedy: 'take the time from the clock that is passed in (`env.clock`, in an operator the context)',
  },
  timers: {
    code: [
      /(?<![.\w$])(?:globalThis\.)?set(?:Timeout|Interval|Immediate)\b/g,
      /\bAbortSignal\s*\.\s*timeout\b/g,
    ],
    modules: ['timers', 'timers/promises'],
    remedy: 'start a timer on the clock that is passed in (`env.clock.timer`)',
  },
  microtasks: {
    code: [/(?<![.\w$])(?:globalThis\.)?queueMicrotask\b/g, /\bprocess\s*\.\s*nextTick\b/g],
    remedy: 'do the work now, or hand it to the clock (`env.clock.defer`)',
  },
  race: {
    code: [/\bPromise\s*\.\s*race\b/g],
    remedy: 'let one state machine take both events; what loses a race is work that nobody owns',
  },
  chance: {
    code: [
      /\bMath\s*\.\s*random\b/g,
      /\bcrypto\s*\.\s*(?:random\w*|getRandomValues)\b/g,
      /(?<![.\w$])random(?:UUID|Bytes|Int|FillSync)\s*\(/g,
    ],
    remedy: 'draw from the stream that is passed in (`env.random`)',
  },
  files: {
    modules: ['fs', 'fs/promises'],
    remedy: 'use the files that are passed in (`env.files`)',
  },
  network: {
    code: [/(?<![.\w$])(?:await|return|=|\()\s*fetch\s*\(/g, /(?<![.\w$])new\s+WebSocket\b/g],
    modules: ['net', 'http', 'https', 'http2', 'tls', 'dgram', 'dns', 'dns/promises'],
    remedy: 'use the transport that is passed in',
  },
  threads: {
    code: [/\bAtomics\s*\.\s*wait\s*\(/g],
    modules: ['worker_threads', 'cluster'],
    remedy: 'leave threads to `src/hosts` and `src/exchange/thread.ts`; declare a narrow interface here',
  },
  processes: {
    code: [/\bprocess\s*\.\s*(?:exit|kill|abort)\s*\(/g, /\bprocess\s*\.\s*on(?:ce)?\s*\(/g],
    modules: ['child_process'],
    remedy: 'report an error or a state; only the command line ends or watches a process',
  },
  machine: {
    code: [
      /\bprocess\s*\.\s*(?:env|argv|cwd|pid|memoryUsage|platform)\b/g,
      /(?<![.\w$])Intl\s*\./g,
      /\.toLocale\w*\s*\(/g,
    ],
    modules: ['os'],
    remedy: 'let the command line or the host read it once and pass it down',
  },
  collector: {
    code: [/(?<![.\w$])new\s+(?:WeakRef|FinalizationRegistry)\b/g],
    remedy: 'say who owns the thing and close it by hand; what depends on the collector cannot be replayed',
  },
} as const satisfies Record<string, OutsideWorld>;

/** A part of the outside world. */
export type Outside = keyof typeof outsideWorld;

/** Files that may touch some of the outside world, each with its reason. Keep the list short. */
export const seams: readonly {
  readonly files: RegExp;
  readonly may: readonly Outside[];
  readonly why: string;
}[] = [
  {
    files: /^src\/base\/clock[\w-]*\.ts$/,
    may: ['time', 'timers', 'microtasks'],
    why: 'the clock of the machine',
  },
  { files: /^src\/base\/random[\w-]*\.ts$/, may: ['chance'], why: 'seeds that nobody gave' },
  { files: /^src\/base\/files[\w-]*\.ts$/, may: ['files'], why: 'the disk of the machine' },
  {
    files: /^src\/base\/(?:env|node-env|log)[\w-]*\.ts$/,
    may: ['time', 'timers', 'chance', 'files', 'machine'],
    why: 'puts the real Env together and writes the log',
  },
  {
    files: /^src\/base\/compile-cache\.ts$/,
    may: ['files', 'machine'],
    why: 'where Node keeps compiled code is of the machine, and nothing depends on it',
  },
  {
    files: /^src\/base\/(?:tcp|tls-network)\.ts$/,
    may: ['network', 'timers'],
    why: 'the network of the machine',
  },
  {
    files: /^src\/base\/http-client\.ts$/,
    may: ['network'],
    why: 'asks services that speak HTTP',
  },
  {
    files: /^src\/stores\/http\.ts$/,
    may: ['network'],
    why: 'asks stores of objects',
  },
  {
    files: /^src\/stores\/process-stores\.ts$/,
    may: ['machine'],
    why: 'what the environment of a process says of stores',
  },
  {
    files: /^src\/cluster\/spawner\.ts$/,
    may: ['processes'],
    why: 'starts the processes of a cluster',
  },
  {
    files: /^src\/metrics\/thread-figures\.ts$/,
    may: ['time'],
    why: 'what Node measures about a thread is not of the job: it is shown, and decides nothing',
  },
  {
    files: /^src\/exchange\/thread[\w-]*\.ts$/,
    may: ['threads'],
    why: 'rings and doorbells between threads',
  },
  {
    files: /^src\/hosts\/(?:thread|worker)[\w-]*\.ts$/,
    may: ['threads', 'processes', 'machine'],
    why: 'starts worker threads and is what runs inside one',
  },
  {
    files: /^src\/cluster\/local[\w/-]*\.ts$/,
    may: ['threads', 'machine'],
    why: 'decides how many threads this machine gets',
  },
  {
    files: /^src\/rest\/http-server\.ts$/,
    may: ['network'],
    why: 'serves the dashboard and the REST interface',
  },
  {
    files: /^src\/rest\/rest-client\.ts$/,
    may: ['network'],
    why: 'asks the REST interface of a run or a cluster',
  },
  {
    files: /^src\/telemetry\/http-transport\.ts$/,
    may: ['network'],
    why: 'sends telemetry to a collector',
  },
  {
    files: /^src\/watched\/(?:program-runs|telemetry)\.ts$/,
    may: ['machine'],
    why: 'says which process it is whose telemetry goes where its environment says',
  },
  {
    files: /^src\/cli\/rest-target\.ts$/,
    may: ['network'],
    why: 'believes the certificate of the cluster of this machine',
  },
  {
    files: /^src\/rest\/process-meter\.ts$/,
    may: ['time', 'machine'],
    why: 'measures the process that serves: it is shown, and decides nothing',
  },
  {
    files: /^src\/cli\/[\w/-]+\.ts$/,
    may: ['time', 'timers', 'files', 'processes', 'machine'],
    why: 'the command line: the terminal, signals, arguments, configuration files',
  },
  {
    files: /^src\/run(?:\/(?:worker|cluster-job|cluster-process))?\.ts$/,
    may: ['processes', 'machine', 'threads'],
    why: 'where a run meets its process',
  },
  { files: /^src\/connectors\/print\.ts$/, may: ['machine'], why: 'writes to the standard output' },
];

/** The walls of the workspace `packages/dashboard`, which runs in a browser and ships as built files. */
export const dashboard = {
  folder: 'packages/dashboard/src',
  /** The one file of the house that it knows, and only the types in it. */
  contract: 'src/rest/contract.ts',
  /** Each library, and the files that may import it. */
  libraries: {
    react: /./,
    'react-dom': /\/main\.tsx$/,
    '@tanstack/react-query': /./,
    '@xyflow/react': /\/panes\/graph\.tsx$/,
    '@dagrejs/dagre': /\/parts\/graph-layout\.ts$/,
    uplot: /\/parts\/plot\.tsx$/,
  } as Readonly<Record<string, RegExp>>,
  /** What would let a text become markup or code, or needs a hole in the content security policy. */
  forbidden: [
    /dangerouslySetInnerHTML/g,
    /\.innerHTML\b/g,
    /insertAdjacentHTML/g,
    /\beval\s*\(/g,
    /new Function\b/g,
  ],
} as const;
