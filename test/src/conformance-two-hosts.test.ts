import { describe } from 'vitest'
import { conformance } from './conformance/suite.ts'
import { twoHostsLayout } from './harness/two-hosts.ts'

describe('the Worker in workerd, before the gateways of two hosts', () => conformance(twoHostsLayout))
