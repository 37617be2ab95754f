export { capConnections } from './connection-cap.ts'
export { Connections } from './connections.ts'
