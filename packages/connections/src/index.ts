export { capConnections } from './connection-cap.ts'
export { Connections } from './connections.ts'
export { OpenExchanges, type Placed } from './open-exchanges.ts'
