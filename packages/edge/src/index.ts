export type { ForwardOrder, InstanceHost } from './instance-host.ts'
export * from './registry/registry.ts'
