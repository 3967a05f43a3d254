export { ImhotepError, UsageError, type ExitCode, type ImhotepErrorOptions } from './errors.ts'
export { Secret } from './secret.ts'
export * from './identifiers/identifiers.ts'
