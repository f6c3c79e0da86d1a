/** What the checkpoint room knows of a plan: the narrow part of a job graph that state is matched by. */

/** An operator; structurally a `PlannedOperator`. */
export interface CheckpointedOperator {
  readonly uid: string;
  /** The user gave the uid. */
  readonly explicitUid: boolean;
  /** Flink's operator id. */
  readonly id: string;
  readonly name: string;
  readonly keyed: boolean;
}

/** A chain; structurally a `JobVertex`. */
export interface CheckpointedVertex {
  readonly id: string;
  readonly name: string;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly operators: readonly CheckpointedOperator[];
}

/** An edge between two chains; structurally a `JobEdge`. */
export interface CheckpointedEdge {
  readonly index: number;
  readonly from: number;
  /** Index of the emitting operator in its chain. */
  readonly fromOperator: number;
  readonly tag: string | undefined;
  readonly to: number;
  /** Input of the consuming chain's head. */
  readonly input: number;
  readonly partitioner: string;
}

/** A plan; structurally a `JobGraph`. */
export interface CheckpointedPlan {
  readonly vertices: readonly CheckpointedVertex[];
  readonly edges: readonly CheckpointedEdge[];
  readonly fingerprint: string;
}
