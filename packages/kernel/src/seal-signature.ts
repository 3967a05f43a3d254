import { createHash, createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import { UsageError } from '@imhotep/base'

/** Signs seals: whoever rewrites the database cannot, because the key is never in it. */
export interface SealSigner {
  /** RFC 7638 thumbprint of the public key. */
  readonly kid: string
  /** Ed25519, 64 bytes. */
  sign(digest: Buffer): Buffer
}

/** Public keys of those who signed. */
export interface SealVerifier {
  /** Undefined when this key was not given. */
  verify(kid: string, digest: Buffer, signature: Buffer): boolean | undefined
}

/** @throws UsageError when the PEM text holds no Ed25519 private key */
export function readSealSigner(pem: string): SealSigner {
  const key = readKey(() => createPrivateKey(pem), 'private')
  return { kid: thumbprint(createPublicKey(key)), sign: (digest) => sign(null, digest, key) }
}

/**
 * Reads one PEM text with any number of public keys: those of the past stay in it.
 * @throws UsageError when it holds none, or one that is no Ed25519 key
 */
export function readSealVerifier(pem: string): SealVerifier {
  const blocks = pem.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g) ?? []
  if (blocks.length === 0) throw noKey('public')
  const keys = new Map(
    blocks.map((block) => {
      const key = readKey(() => createPublicKey(block), 'public')
      return [thumbprint(key), key]
    }),
  )
  return {
    verify(kid, digest, signature) {
      const key = keys.get(kid)
      return key && verify(null, digest, key, signature)
    },
  }
}

function readKey(read: () => KeyObject, kind: 'private' | 'public'): KeyObject {
  let key: KeyObject
  try {
    key = read()
  } catch {
    // What the library says may hold a part of the file.
    throw noKey(kind)
  }
  if (key.asymmetricKeyType !== 'ed25519') throw noKey(kind)
  return key
}

function noKey(kind: 'private' | 'public'): UsageError {
  const make =
    kind === 'private'
      ? 'openssl genpkey -algorithm ed25519 -out seal-key.pem'
      : 'openssl pkey -in seal-key.pem -pubout -out seal-key.pub'
  return new UsageError(`the file holds no Ed25519 ${kind} key in PEM form`, { hint: `make one: ${make}` })
}

/** https://www.rfc-editor.org/rfc/rfc7638, members of an OKP key: https://www.rfc-editor.org/rfc/rfc8037 */
function thumbprint(key: KeyObject): string {
  const { crv, kty, x } = key.export({ format: 'jwk' })
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url')
}
