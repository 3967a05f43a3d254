import { UsageError } from '@imhotep/base'
import type { ContextKey } from '@imhotep/kernel'

/**
 * The key of `IMHOTEP_CONTEXT_KEY` that contexts are signed with, written `name:hex`; undefined when there is none.
 * @throws UsageError for anything else
 */
export function contextKey(env: Readonly<Record<string, string | undefined>>): ContextKey | undefined {
  const text = env.IMHOTEP_CONTEXT_KEY
  if (!text) return undefined
  const { kid, secret } = /^(?<kid>[\w-]{1,64}):(?<secret>(?:[\da-f]{2}){32,})$/i.exec(text)?.groups ?? {}
  if (!kid || !secret) {
    throw new UsageError('IMHOTEP_CONTEXT_KEY holds no key', {
      hint: 'write the name of a key of core.context_keys, a colon and its secret in hexadecimal',
    })
  }
  return { kid, secret: Buffer.from(secret, 'hex') }
}
