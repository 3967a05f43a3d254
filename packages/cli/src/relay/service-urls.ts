import { UsageError } from '@imhotep/base'
import type { Context } from '../context.ts'

const variable = 'IMHOTEP_SERVICES_URL'
const example = 'postgres://superuser:password@host/hims_{service}'

/**
 * Connection strings of the services' databases: `IMHOTEP_SERVICES_URL` with the name of each service filled in, unless
 * `IMHOTEP_SERVICES_URL_LAB` says where that of lab is.
 * @throws UsageError for a name of no service, and when no database is named
 */
export function serviceUrls({ env, options }: Context, services: readonly string[]): ReadonlyMap<string, string> {
  const pattern = env[variable]
  if (pattern && !pattern.includes('{service}')) {
    throw new UsageError(`${variable} does not say where the name of the service goes`, {
      hint: `set it to ${example}`,
    })
  }
  const own = services.map(variableOf)
  const named = options
    .text('services')
    ?.split(',')
    .map((name) => name.trim())
  const strange =
    Object.keys(env).find((name) => name.startsWith(`${variable}_`) && !own.includes(name)) ??
    named?.find((name) => !services.includes(name))
  if (strange) throw new UsageError(`'${strange}' names no service`, { hint: `services: ${services.join(', ')}` })

  const urls = (named ?? services).flatMap((service): [string, string][] => {
    const url = env[variableOf(service)] || pattern?.replaceAll('{service}', service)
    return url ? [[service, url]] : []
  })
  if (urls.length === 0) throw new UsageError('no database is named', { hint: `set ${variable} to ${example}` })
  return new Map(urls)
}

const variableOf = (service: string) => `${variable}_${service.toUpperCase()}`
