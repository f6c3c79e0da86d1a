// Limit of `stateless-chain-batches`: that of `stateless-chain`, which needs no batches.
export { run } from './stateless-chain.ts';
