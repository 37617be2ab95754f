import { ControlError, type InstanceName } from '@mux/contract'
import { BootError } from './boot.ts'
import { PoolFull } from './slots.ts'

/** Thrown to those whose boot was given up because of a later order. */
export class Superseded extends Error {
  override readonly name = 'Superseded'
}

/** What an operator is told when an order could not be carried out; anything unexpected is passed on as it is. */
export function orderFailure(name: InstanceName, error: unknown): unknown {
  if (error instanceof PoolFull) {
    return new ControlError('pool_full', 'The pool is at its cap, and every instance that runs is busy.', {
      hint: 'Raise pool.max in mux.yaml, or stop an instance: mux status',
      cause: error,
    })
  }
  if (error instanceof BootError || error instanceof Superseded) {
    return new ControlError('instance_failed', error.message, {
      hint: `mux instance logs ${name}`,
      log: error instanceof BootError ? error.log : [],
      cause: error,
    })
  }
  return error
}

export function disabled(name: InstanceName): ControlError {
  return new ControlError('instance_disabled', `${name} is stopped by the operator.`, {
    hint: `mux instance start ${name}`,
  })
}
