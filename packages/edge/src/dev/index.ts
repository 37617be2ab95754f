/** The door for who runs the Worker on this machine, to work on it. It needs miniflare and esbuild, which nothing else does. */
export { type DevWorker, type DevWorkerOptions, startDevWorker } from './dev-worker.ts'
