/** A trap for code that reaches past its Env within a simulation: time, timers and chance of the machine throw. */

const TRAPPED: readonly { readonly owner: object; readonly name: string; readonly instead: string }[] = [
  { owner: Date, name: 'now', instead: 'env.clock.now' },
  { owner: performance, name: 'now', instead: 'env.clock.monotonic' },
  { owner: Math, name: 'random', instead: 'env.random' },
  { owner: globalThis, name: 'setTimeout', instead: 'env.clock.timer' },
  { owner: globalThis, name: 'setInterval', instead: 'env.clock.timer' },
  { owner: globalThis, name: 'setImmediate', instead: 'env.clock.defer' },
  { owner: globalThis, name: 'queueMicrotask', instead: 'env.clock.defer' },
];

/** Is set by `install`, acts while `isArmed`, and is taken away by `remove`; while it is not armed all works as ever. */
export interface Outside {
  isArmed: boolean;
  install(): void;
  remove(): void;
}

type AnyFunction = (this: unknown, ...given: unknown[]) => unknown;

/** Time and chance of the machine throw. */
export class OutsideTrap implements Outside {
  isArmed = false;
  #originals: (PropertyDescriptor | undefined)[] = [];

  install(): void {
    this.#originals = TRAPPED.map(({ owner, name }) => Object.getOwnPropertyDescriptor(owner, name));
    const isArmed = (): boolean => this.isArmed;
    for (const { owner, name, instead } of TRAPPED) {
      const original = Reflect.get(owner, name) as AnyFunction;
      const value = function trapped(this: unknown, ...given: unknown[]): unknown {
        if (isArmed()) throw new Error(`${name} within a simulation would not repeat; use ${instead}`);
        return Reflect.apply(original, this, given);
      };
      Object.defineProperty(owner, name, { configurable: true, writable: true, value });
    }
  }

  remove(): void {
    this.isArmed = false;
    for (const [index, { owner, name }] of TRAPPED.entries()) {
      const original = this.#originals[index];
      if (original === undefined) Reflect.deleteProperty(owner, name);
      else Object.defineProperty(owner, name, original);
    }
  }
}
