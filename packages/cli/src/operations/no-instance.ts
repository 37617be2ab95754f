import type { InstanceName } from '@mux/contract'
import { CliError } from '../errors.ts'
import type { ProjectConfig } from '../mux-yaml.ts'

/**
 * That there is no such instance, and which there are.
 * @param elsewhere those that are on other hosts
 */
export function noInstance(
  config: ProjectConfig,
  instance: string,
  hint: string,
  elsewhere: readonly InstanceName[] = [],
): CliError {
  const names = [...new Set([...config.instances.map(({ name }) => name), ...elsewhere])]
  const there = names.length === 0 ? 'There are none yet.' : `There are: ${names.join(', ')}.`
  return new CliError('instance_not_found', `There is no instance ${instance}. ${there}`, hint)
}
