/** The public face `millrace/state`: savepoints read, compared, changed and written without a job (Flink's State Processor API). */

export {
  type KeyedEntry,
  openSavepoint,
  type OpenOptions,
  type OperatorContents,
  type OperatorItem,
  type Savepoint,
  type SavepointOperator,
  type SectionContents,
  type StateContents,
  type StateDeclaration,
  type StateEntry,
  type StoredTimers,
} from './savepoint.ts';
export {
  changedSavepoint,
  type KeyedStateChange,
  type KeyedStateFromItems,
  newSavepoint,
  type NewSavepointOptions,
  type SavepointWriter,
  type WrittenTimers,
} from './savepoint-writer.ts';
export { diffSavepoints, type EntryDiff, type OperatorDiff, type StateDiff } from './savepoint-diff.ts';
export { disposeSavepoint } from './dispose.ts';
