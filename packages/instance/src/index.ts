export * from './definition.ts'
export * from './lease.ts'
export type * from './log-event.ts'
export type { Supervisor, SupervisorOptions } from './supervisor.ts'
