import { describe } from 'vitest'
import { conformance } from './conformance/suite.ts'
import { embeddedLayout } from './harness/embedded.ts'

describe('mux up', () => conformance(embeddedLayout))
