// Holds a table of states and events to the drawing in its file's head, cell by cell.

import assert from 'node:assert/strict';

type Moves<State extends string, Event extends string> = Readonly<
  Record<State, Readonly<Record<Event, State | undefined>>>
>;

/** Compares each cell of the drawing with the table and with what the function does; returns how many there are. */
export function assertSameTable<State extends string, Event extends string>(given: {
  readonly drawing: string;
  readonly moves: Moves<State, Event>;
  readonly move: (state: State, event: Event) => State;
}): number {
  const { drawing, moves, move } = given;
  const rows = drawing.split('\n').map((line) =>
    line
      .replace(/^\s*\*\s*/, '')
      .trim()
      .split(/\s+/),
  );
  const header = rows.find((words) => words.slice(0, 3).join(' ') === 'state \\ event');
  assert.ok(header !== undefined, 'the head of the file draws the table');
  const events = header.slice(3) as Event[];
  let cells = 0;
  for (const state of Object.keys(moves) as State[]) {
    // Behind the cells a row may say what something means.
    const row = rows.find((words) => words[0] === state && words.length > events.length);
    assert.ok(row !== undefined, `${state} has a row`);
    assert.deepEqual(
      events,
      Object.keys(moves[state]).sort((a, b) => events.indexOf(a as Event) - events.indexOf(b as Event)),
    );
    for (const [index, event] of events.entries()) {
      const drawn: string | undefined = row[index + 1];
      const next = moves[state][event];
      assert.equal(next ?? '-', drawn, `${state} × ${event}`);
      if (next === undefined) assert.throws(() => move(state, event), { code: 'ASSERTION_FAILED' });
      else assert.equal(move(state, event), next);
      cells++;
    }
  }
  return cells;
}
