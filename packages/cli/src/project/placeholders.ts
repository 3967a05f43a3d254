import { UsageError } from '@imhotep/base'
import type { Options } from '../context.ts'

export const placeholderOption = {
  flags: '--placeholder <name=value...>',
  description: 'value of ${name} in the files, before the one of the config file',
}

/** Values of `${name}`: those of the config file, and those of the command line before them. Undefined when there are none. */
export function placeholderValues(
  configured: Readonly<Record<string, string>> | undefined,
  options: Options,
): Readonly<Record<string, string>> | undefined {
  const pairs = options.list('placeholder').map((pair) => {
    const at = pair.indexOf('=')
    if (at < 1) throw new UsageError(`'${pair}' is not name=value`, { hint: 'for example: --placeholder schema=app' })
    return [pair.slice(0, at), pair.slice(at + 1)] as const
  })
  return pairs.length === 0 ? configured : { ...configured, ...Object.fromEntries(pairs) }
}
