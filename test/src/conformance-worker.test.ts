import { describe } from 'vitest'
import { conformance } from './conformance/suite.ts'
import { workerLayout } from './harness/worker.ts'

describe('the Worker in workerd, before a host gateway', () => conformance(workerLayout))
