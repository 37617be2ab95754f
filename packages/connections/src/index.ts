export { capConnections } from './connection-cap.ts'
export { Connections } from './connections.ts'
export { type Certificate, createFrontServer, isOfTls } from './front-server.ts'
export { OpenExchanges, type Placed } from './open-exchanges.ts'
