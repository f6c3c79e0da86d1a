// What processes say to each other, message by message: what it means, what the code of production writes of it, and what it
// makes of bytes that come.

import type { Connection, ConnectionListener } from '../../src/base/network.ts';
import { MillraceError, serializeError } from '../../src/base/errors.ts';
import { type BatchCodec, createBatchCodec } from '../../src/codecs/batch-codec.ts';
import { t } from '../../src/codecs/types.ts';
import type {
  BlobRequest,
  ClientRequest,
  JobMasterCommand,
  JobMasterMessage,
  JobMasterRequest,
  JobProcessCommand,
  JobProcessMessage,
  SlotsAnswer,
  TaskManagerOrders,
  TaskManagerReport,
} from '../../src/cluster/messages.ts';
import { RpcConnection } from '../../src/cluster/rpc/rpc-connection.ts';
import type { ChannelElement, PriorityBarrier } from '../../src/exchange/channel.ts';
import type { CheckpointBarrier } from '../../src/exchange/events.ts';
import { introduce, type Introduced, receive } from '../../src/exchange/handshake.ts';
import { Link } from '../../src/exchange/link.ts';
import {
  askMessage,
  creditMessage,
  LINK_HEADER_BYTES,
  readBarrierPayload,
  readCreditPayload,
  readLinkHeader,
} from '../../src/exchange/link-layout.ts';
import { RingInlet } from '../../src/exchange/ring-inlet.ts';
import { allocateRing, sharedRingMemory } from '../../src/exchange/ring-memory.ts';
import { RingOutlet } from '../../src/exchange/ring-outlet.ts';
import { RingReader } from '../../src/exchange/ring-reader.ts';
import { RingWriter } from '../../src/exchange/ring-writer.ts';
import { inletRingBytes } from '../../src/exchange/tcp.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';

const NOTHING = new Uint8Array(0);
const WINDOW_BYTES = 2_048;
/** Whose records are said to the other end, and one whose records come from there. */
const CHANNEL = 0;
const CHANNEL_OUT = 1;

/** A connection whose other end is the test. */
class PeerConnection implements Connection {
  readonly peer = 'the peer';
  readonly waitingBytes = 0;
  readonly written: Uint8Array[] = [];
  #listener: ConnectionListener | undefined;
  #isClosed = false;

  write(bytes: Uint8Array): boolean {
    if (!this.#isClosed) this.written.push(bytes.slice());
    return true;
  }

  listen(listener: ConnectionListener): void {
    this.#listener = listener;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** The peer says something. */
  say(bytes: Uint8Array): void {
    if (!this.#isClosed && bytes.length > 0) this.#listener?.data(bytes.slice());
  }

  /** The peer goes. */
  go(): void {
    if (!this.#isClosed) this.#listener?.closed(undefined);
  }
}

/** Lets promises that are settled be heard. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
}

// ---- between the processes of a job ----

const LOGIN = createBatchCodec(
  t.object({
    user: t.string,
    at: t.int64,
    status: t.int32,
    share: t.number,
    ok: t.boolean,
    seen: t.date,
    note: t.optional(t.string),
    tags: t.array(t.string),
  }).shape,
);

function logins(count: number): ChannelElement {
  const values = Array.from({ length: count }, (_, index) => ({
    user: `üser-${index % 3}`,
    at: 1.7e12 + index,
    status: index - 3,
    share: index / 8,
    ok: index % 2 === 0,
    seen: new Date(1_000 * index),
    ...(index % 2 === 0 ? { note: `n${index}` } : {}),
    tags: ['a', `t${index}`],
  }));
  return batchOf(values, (index) => 1.7e12 + 10 * index);
}

function batchOf(values: readonly unknown[], timestamp: (index: number) => number): ChannelElement {
  return { kind: 'batch', batch: { values, timestamps: values.map((_, index) => timestamp(index)) } };
}

const ALIGNED: CheckpointBarrier = {
  id: 7,
  timestamp: 1.7e12,
  alignment: 'aligned',
  alignedTimeoutMs: 250,
  kind: 'periodic',
};
const OVERTAKING: CheckpointBarrier = { ...ALIGNED, id: 8, alignment: 'unaligned' };

/** What a producer puts into its channel, and how the batches of that channel are written. */
export const ELEMENTS: Readonly<Record<string, { element: ChannelElement; codec?: BatchCodec }>> = {
  'a batch without a type': {
    element: batchOf(
      [{ user: 'ada', n: 1.5 }, new Map([[1n, new Set(['x'])]]), undefined, -0, Uint8Array.of(1, 2)],
      (index) => index,
    ),
  },
  'a batch of rows': { element: logins(3), codec: LOGIN },
  'a batch of columns': { element: logins(10), codec: LOGIN },
  'a watermark': { element: { kind: 'event', event: { kind: 'watermark', timestamp: 1.7e12 } } },
  'a status': { element: { kind: 'event', event: { kind: 'status', idle: true } } },
  'an aligned barrier': { element: { kind: 'event', event: { kind: 'barrier', barrier: ALIGNED } } },
  'a barrier of a savepoint': {
    element: {
      kind: 'event',
      event: { kind: 'barrier', barrier: { ...ALIGNED, kind: 'savepoint', savepoint: true } },
    },
  },
  'the end of data': { element: { kind: 'event', event: { kind: 'end-of-data' } } },
  'a latency marker': {
    element: {
      kind: 'event',
      event: { kind: 'latency-marker', marker: { at: 1.7e12, vertex: 3, subtask: 2 } },
    },
  },
};

const CREDIT = { bytes: 4_096, window: 65_536 };

const LINK = { rest: NOTHING, payloadBytesMax: WINDOW_BYTES } as const;
const bell = { ring(): void {}, ringLater(): void {}, hurry(): void {} };

/** The end of a link at the producer of a channel, and the ring that it writes into. */
function producing(codec?: BatchCodec): { peer: PeerConnection; link: Link; writer: RingWriter } {
  const peer = new PeerConnection();
  const ring = sharedRingMemory(allocateRing(WINDOW_BYTES));
  const outlets = new Map([[CHANNEL, new RingOutlet(CHANNEL, ring, bell)]]);
  const link = new Link({ ...LINK, connection: peer, inlets: new Map(), outlets, onLost: () => {} });
  return { peer, link, writer: new RingWriter(ring, bell, codec) };
}

/** The messages of the data plane as a process writes them. */
export function dataBytes(): Map<string, Uint8Array> {
  const messages = new Map<string, Uint8Array>();
  for (const [name, { element, codec }] of Object.entries(ELEMENTS)) {
    const { peer, link, writer } = producing(codec);
    if (!writer.tryWrite(element)) throw new Error(`${name} has no room`);
    link.poll();
    messages.set(name, joined(peer.written));
  }
  const { peer, link, writer } = producing();
  writer.writePriority(OVERTAKING);
  link.poll();
  messages.set('a barrier that overtakes', joined(peer.written));
  messages.set('a credit', creditMessage(CHANNEL_OUT, CREDIT));
  messages.set('a question for credit', askMessage(CHANNEL));
  return messages;
}

/** What a link makes of bytes, and of the end of its connection behind them. */
export function hearLink(
  bytes: Uint8Array,
  codec?: BatchCodec,
): {
  readonly lost: readonly MillraceError[];
  readonly element: ChannelElement | undefined;
  readonly priority: PriorityBarrier | undefined;
} {
  const peer = new PeerConnection();
  const ring = sharedRingMemory(allocateRing(inletRingBytes(WINDOW_BYTES)));
  const back = sharedRingMemory(allocateRing(WINDOW_BYTES));
  const lost: MillraceError[] = [];
  new Link({
    ...LINK,
    connection: peer,
    inlets: new Map([[CHANNEL, new RingInlet(ring, bell, () => 0)]]),
    outlets: new Map([[CHANNEL_OUT, new RingOutlet(CHANNEL_OUT, back, bell)]]),
    onLost: (error) => void lost.push(error),
  });
  const reader = new RingReader(ring, bell, codec);
  peer.say(bytes);
  peer.go();
  return { lost, priority: reader.readPriority(), element: reader.read() };
}

/** What the messages that are not elements mean. */
export const LINK_VALUES: Readonly<
  Record<string, { readonly value: unknown; readonly decode: (message: Uint8Array) => unknown }>
> = {
  'a barrier that overtakes': {
    value: { barrier: OVERTAKING, position: 0 },
    decode: (message) => readBarrierPayload(message.subarray(LINK_HEADER_BYTES)),
  },
  'a credit': {
    value: CREDIT,
    decode: (message) => readCreditPayload(message.subarray(LINK_HEADER_BYTES)),
  },
  'a question for credit': {
    value: { type: 4, length: 0, channel: CHANNEL },
    decode: (message) => {
      const { type, length, channel } = readLinkHeader(message);
      return { type, length, channel };
    },
  },
};

// ---- between the processes of a cluster ----

type Kind = 'message' | 'request' | 'answer' | 'failure' | 'heartbeat';

interface Said<Body> {
  readonly kind: Kind;
  readonly body: Body;
}

function say<Body>(kind: Kind, body: Body): Said<Body> {
  return { kind, body };
}

const ADDRESS = { host: '127.0.0.1', port: 6123 };
const FIGURES = {
  processId: 41,
  residentBytes: 1e8,
  cpuShare: 0.25,
  cpuMs: 1_500,
  uptimeMs: 60_000,
  thread: {
    heapUsedBytes: 1e7,
    heapTotalBytes: 2e7,
    heapLimitBytes: 4e9,
    externalBytes: 1e6,
    eventLoopBusyShare: 0.5,
    eventLoopDelayMsP50: 1,
    eventLoopDelayMsP99: 4,
    eventLoopDelayMsMax: 9.5,
    collections: 12,
    collectionMs: 30,
    collectionMsMax: 6,
  },
  machineMemoryBytes: 2.4e10,
  machineFreeBytes: 1.2e10,
  machineCores: 2,
};
const BUNDLE = { key: 'a'.repeat(64), name: 'job.mjs' };
const FAILURE: MillraceError = Object.assign(
  new MillraceError('BLOB_MISSING', `blob ${BUNDLE.key}: it is not there`),
  { stack: 'MillraceError: it is not there\n    at Dispatcher.blob' },
);
const SUBTASK = { slot: 1, attempt: 2, vertex: 0, subtask: 1 };

/** What is said; each kind of message that starts, feeds, checks, ends or fails something. */
export const SAID: Readonly<Record<string, Said<unknown>>> = {
  'a TaskManager registers': say<TaskManagerReport>('heartbeat', {
    taskManager: 'tm-1',
    host: 'localhost',
    processId: 41,
    startedAt: 1.7e12,
    slots: 2,
    process: FIGURES,
    ordersVersion: 0,
    jobs: [],
  }),
  'a heartbeat of a TaskManager': say<TaskManagerReport>('heartbeat', {
    taskManager: 'tm-1',
    host: 'localhost',
    processId: 41,
    startedAt: 1.7e12,
    slots: 2,
    process: FIGURES,
    ordersVersion: 3,
    jobs: [{ jobId: 'job-1', allocation: 'al-1', slots: [0, 1], processId: 42, restarts: 0 }],
  }),
  'a heartbeat without a report': say('heartbeat', undefined),
  'orders for a TaskManager': say<TaskManagerOrders>('message', {
    epoch: 5,
    version: 3,
    jobs: [
      {
        jobId: 'job-1',
        allocation: 'al-1',
        slots: [0, 1],
        master: ADDRESS,
        secret: 's'.repeat(64),
        bundle: BUNDLE,
        workingDirectory: '/work',
      },
    ],
  }),
  'a TaskManager is refused': say<TaskManagerOrders>('message', {
    epoch: 5,
    version: 1,
    jobs: [],
    refused: 'another process has the name tm-1',
  }),
  'a bundle is asked for': say<BlobRequest>('request', { kind: 'blob', key: BUNDLE.key }),
  'a bundle': say('answer', Uint8Array.of(101, 120, 112, 111, 114, 116)),
  'a bundle that is not there': say('failure', FAILURE),
  'a job process attaches': say<JobProcessMessage>('message', {
    kind: 'attach',
    taskManager: 'tm-1',
    processId: 42,
    data: ADDRESS,
  }),
  'a job process starts its slots': say<JobProcessCommand>('message', {
    kind: 'start',
    deployment: 2,
    settings: {
      jobId: 'job-1',
      jobName: 'visits',
      slots: 2,
      parallelism: [1, 2],
      checkpointing: true,
      atLeastOnce: false,
      checkpointDirectory: '/checkpoints/job-1',
      processAttempt: 4,
      cachedFiles: { model: '/files/model' },
      autoWatermarkIntervalMs: 200,
      bufferTimeoutMs: 100,
      freezeRecords: false,
      alwaysEncode: false,
      inlineThresholdBytes: 20_480,
    },
    load: { args: ['--rate', '5'] },
    processOfSlot: [0, 1],
    processes: [ADDRESS, { ...ADDRESS, port: 6124 }],
    own: 1,
  }),
  'slots are ready': say<JobProcessMessage>('message', { kind: 'ready', deployment: 2 }),
  'slots could not be started': say<JobProcessMessage>('message', {
    kind: 'unready',
    deployment: 2,
    error: serializeError(FAILURE),
  }),
  'subtasks are deployed': say<JobProcessCommand>('message', {
    kind: 'command',
    deployment: 2,
    slot: 1,
    command: {
      kind: 'deploy',
      attempt: 2,
      restoredCheckpointId: 6,
      tasks: [{ vertex: 0, subtask: 1, restore: undefined }],
    },
  }),
  'a checkpoint is triggered': say<JobProcessCommand>('message', {
    kind: 'command',
    deployment: 2,
    slot: 1,
    command: { kind: 'trigger', attempt: 2, barrier: ALIGNED },
  }),
  'a checkpoint is complete': say<JobProcessCommand>('message', {
    kind: 'command',
    deployment: 2,
    slot: 1,
    command: { kind: 'complete', attempt: 2, checkpointId: 7 },
  }),
  'splits of a source': say<JobProcessCommand>('message', {
    kind: 'command',
    deployment: 2,
    slot: 1,
    command: {
      kind: 'splits',
      attempt: 2,
      vertex: 0,
      subtask: 1,
      splits: [Uint8Array.of(1, 2)],
      noMore: true,
    },
  }),
  'a subtask acknowledges': say<JobProcessMessage>('message', {
    kind: 'report',
    deployment: 2,
    report: {
      kind: 'acknowledge',
      ...SUBTASK,
      checkpointId: 7,
      state: { file: 'v-0-1.state', inline: undefined, length: 1_024, sha256: 'b'.repeat(64) },
      figures: {
        startDelayMs: 1,
        alignmentMs: 2,
        syncMs: 0.5,
        asyncMs: 3,
        stateBytes: 1_024,
        inFlightBytes: 0,
        unaligned: false,
        recordsRead: 1_000,
      },
    },
  }),
  'a subtask has committed': say<JobProcessMessage>('message', {
    kind: 'report',
    deployment: 2,
    report: { kind: 'committed', ...SUBTASK, checkpointId: 7 },
  }),
  'a subtask has failed': say<JobProcessMessage>('message', {
    kind: 'report',
    deployment: 2,
    report: { kind: 'failed', ...SUBTASK, error: serializeError(FAILURE) },
  }),
  'a slot is lost': say<JobProcessMessage>('message', {
    kind: 'slot-lost',
    deployment: 2,
    slot: 1,
    error: serializeError(FAILURE),
  }),
  'a job process may go': say<JobProcessCommand>('message', { kind: 'leave' }),
  'slots are asked for': say<JobMasterRequest>('request', {
    kind: 'slots',
    count: 2,
    how: 'wait',
    isWhole: true,
  }),
  'slots are given': say<SlotsAnswer>('answer', {
    slots: [{ taskManager: 'tm-1', slot: 0, allocation: 'al-1' }],
  }),
  'the pointer is to be moved': say<JobMasterRequest>('request', {
    kind: 'pointer',
    pointer: { checkpointId: 7, path: '/checkpoints/job-1/chk-7' },
  }),
  'the end of a job is to be written down': say<JobMasterRequest>('request', {
    kind: 'ending',
    outcome: { status: 'FINISHED', error: undefined, checkpoint: '/checkpoints/job-1/chk-9' },
  }),
  'a job is refused': say<JobMasterMessage>('message', { kind: 'refused', error: serializeError(FAILURE) }),
  'a job master is to cancel': say<JobMasterCommand>('message', { kind: 'cancel' }),
  'a client submits a job': say<ClientRequest>('request', {
    kind: 'submit',
    submission: {
      jobId: 'job-1',
      jobName: 'visits',
      bundleName: 'job.mjs',
      fingerprint: 'f'.repeat(16),
      load: { args: ['--rate', '5'] },
      workingDirectory: '/work',
      restore: undefined,
      fresh: false,
      allowNonRestoredState: false,
      discardLaterOutput: false,
    },
    bundle: Uint8Array.of(101, 120, 112, 111, 114, 116),
  }),
  'a client cancels a job': say<ClientRequest>('request', { kind: 'cancel', jobId: 'job-1' }),
};

const HEARTBEAT = { intervalMs: 1_000, timeoutMs: 5_000 };

/** What an end of a connection has heard. */
export interface Heard {
  readonly said: { readonly kind: Kind; readonly body: unknown }[];
  readonly losses: MillraceError[];
}

function endOf(body: Said<unknown>): { peer: PeerConnection; rpc: RpcConnection; heard: Heard } {
  const peer = new PeerConnection();
  const heard: Heard = { said: [], losses: [] };
  const rpc = new RpcConnection({
    connection: peer,
    rest: NOTHING,
    clock: new ManualClock(),
    heartbeat: { ...HEARTBEAT, report: () => body.body },
    handlers: {
      message: (said) => void heard.said.push({ kind: 'message', body: said }),
      heartbeat: (said) => void heard.said.push({ kind: 'heartbeat', body: said }),
      request: (said) => {
        heard.said.push({ kind: 'request', body: said });
        return body.kind === 'failure' ? Promise.reject(body.body as Error) : Promise.resolve(body.body);
      },
      lost: (error) => void heard.losses.push(error),
    },
  });
  return { peer, rpc, heard };
}

/** What is said as bytes, by the end that says it. */
export async function controlBytes(body: Said<unknown>): Promise<Uint8Array> {
  const { peer, rpc } = endOf(body);
  if (body.kind === 'message') rpc.send(body.body);
  else if (body.kind === 'heartbeat') rpc.report();
  else if (body.kind === 'request') rpc.request(body.body, 1_000).catch(() => undefined);
  else peer.say(await controlBytes(say('request', '?')));
  await turns();
  const bytes = joined(peer.written);
  rpc.close();
  return bytes;
}

/** What an end makes of bytes, and of the end of its connection behind them, once promises are heard. */
export function hearControl(bytes: Uint8Array, kind: Kind): Heard {
  const { peer, rpc, heard } = endOf(say('answer', undefined));
  if (kind === 'answer' || kind === 'failure') ask(rpc, heard);
  peer.say(bytes);
  peer.go();
  return heard;
}

/** It has asked something, and waits. */
function ask(rpc: RpcConnection, heard: Heard): void {
  rpc.request('?', 1_000).then(
    (body) => void heard.said.push({ kind: 'answer', body }),
    (error: MillraceError) => {
      // What it was lost with is told to the handlers, too.
      if (error.code !== 'RPC_LOST') heard.said.push({ kind: 'failure', body: error });
    },
  );
}

// ---- the handshake ----

const SUBJECT = 'job ü, attempt 3';
const SECRET = 'the secret of the cluster';

function drawn(digit: string): { id(): string } {
  return { id: () => digit.repeat(32) };
}

/** A side of a handshake whose other side is the test; `advance` lets its deadline pass. */
export function shakeWith(side: 'dialer' | 'listener'): {
  readonly peer: PeerConnection;
  readonly outcome: Promise<Introduced | MillraceError>;
  readonly advance: () => void;
} {
  const peer = new PeerConnection();
  const clock = new ManualClock();
  const introduced =
    side === 'dialer'
      ? introduce(peer, { clock, random: drawn('d'), subject: SUBJECT, secret: SECRET })
      : receive(peer, {
          clock,
          random: drawn('e'),
          secretOf: (subject) => (subject === SUBJECT ? SECRET : undefined),
        });
  return {
    peer,
    outcome: introduced.catch((error: unknown) => error as MillraceError),
    advance: () => clock.advance(10_000),
  };
}

/** What each side says in a handshake that goes well, by the name of the message. */
export async function handshakeBytes(): Promise<Map<string, Uint8Array>> {
  const [dialer, listener] = [shakeWith('dialer'), shakeWith('listener')];
  const messages = new Map<string, Uint8Array>();
  const pass = (from: typeof dialer, to: typeof dialer, name: string): void => {
    const bytes = joined(from.peer.written.splice(0));
    messages.set(name, bytes);
    to.peer.say(bytes);
  };
  pass(dialer, listener, 'hello');
  pass(listener, dialer, 'answer');
  pass(dialer, listener, 'proof');
  pass(listener, dialer, 'welcome');
  await Promise.all([dialer.outcome, listener.outcome]);
  return messages;
}

// ---- all of them ----

/** Every message of the protocol as this version writes it, by plane and name. */
export async function wireBytes(): Promise<Map<string, Uint8Array>> {
  const all = new Map<string, Uint8Array>();
  for (const [name, bytes] of await handshakeBytes()) all.set(`handshake: ${name}`, bytes);
  for (const [name, bytes] of dataBytes()) all.set(`data: ${name}`, bytes);
  for (const [name, body] of Object.entries(SAID)) all.set(`control: ${name}`, await controlBytes(body));
  return all;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
