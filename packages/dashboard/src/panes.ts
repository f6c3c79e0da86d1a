// All panes in the order of the navigation.
import type { ComponentType } from 'react';
import type { Features } from '../../../src/rest/contract.ts';
import { AlertsPane } from './panes/alerts.tsx';
import { BacklogPane } from './panes/backlog.tsx';
import { BarriersPane } from './panes/barriers.tsx';
import { CheckpointsPane } from './panes/checkpoints.tsx';
import { ConfigPane } from './panes/config.tsx';
import { DrillPane } from './panes/drill.tsx';
import { EventTimePane } from './panes/event-time.tsx';
import { ExceptionsPane } from './panes/exceptions.tsx';
import { GraphPane } from './panes/graph.tsx';
import { HeatPane } from './panes/heat.tsx';
import { HomePane } from './panes/home.tsx';
import { LatencyPane } from './panes/latency.tsx';
import { LogsPane } from './panes/logs.tsx';
import { MetricsPane } from './panes/metrics.tsx';
import { ProfilePane } from './panes/profile.tsx';
import { RecoveryPane } from './panes/recovery.tsx';
import { StatePane } from './panes/state.tsx';
import { TapPane } from './panes/tap.tsx';
import { WorkersPane } from './panes/workers.tsx';
import type { TextKey } from './text/catalogue.ts';

/** One pane of the page. */
export interface PaneDescription {
  /** In the address: `#/path`. */
  readonly path: string;
  readonly title: TextKey;
  readonly Pane: ComponentType;
  /** Not in the navigation when the server says that it cannot do this. */
  readonly feature?: keyof Features;
}

/** Panes that belong together. */
export const paneGroups: readonly {
  readonly title: TextKey;
  readonly panes: readonly PaneDescription[];
}[] = [
  {
    title: 'group.whole',
    panes: [
      { path: 'home', title: 'home.title', Pane: HomePane },
      { path: 'graph', title: 'graph.title', Pane: GraphPane },
      { path: 'heat', title: 'heat.title', Pane: HeatPane },
      { path: 'workers', title: 'workers.title', Pane: WorkersPane },
    ],
  },
  {
    title: 'group.time',
    panes: [
      { path: 'event-time', title: 'event-time.title', Pane: EventTimePane },
      { path: 'backlog', title: 'backlog.title', Pane: BacklogPane },
      { path: 'latency', title: 'latency.title', Pane: LatencyPane },
      { path: 'tap', title: 'tap.title', Pane: TapPane, feature: 'tap' },
      { path: 'state', title: 'state.title', Pane: StatePane, feature: 'stateBrowser' },
    ],
  },
  {
    title: 'group.safety',
    panes: [
      { path: 'checkpoints', title: 'checkpoints.title', Pane: CheckpointsPane },
      { path: 'barriers', title: 'barriers.title', Pane: BarriersPane },
      { path: 'drill', title: 'drill.title', Pane: DrillPane },
      { path: 'recovery', title: 'recovery.title', Pane: RecoveryPane },
      { path: 'exceptions', title: 'exceptions.title', Pane: ExceptionsPane },
    ],
  },
  {
    title: 'group.watch',
    panes: [
      { path: 'alerts', title: 'alerts.title', Pane: AlertsPane },
      { path: 'logs', title: 'logs.title', Pane: LogsPane },
      { path: 'metrics', title: 'metrics.title', Pane: MetricsPane },
      { path: 'profile', title: 'profile.title', Pane: ProfilePane, feature: 'profile' },
      { path: 'config', title: 'config.title', Pane: ConfigPane },
    ],
  },
];

const home: PaneDescription = { path: 'home', title: 'home.title', Pane: HomePane };

/** The pane of a path; home for an unknown one. */
export function paneOf(path: string): PaneDescription {
  return paneGroups.flatMap(({ panes }) => panes).find((pane) => pane.path === path) ?? home;
}
