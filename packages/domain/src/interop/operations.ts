/** The operations of schema/interop that an application may call. */
export const interopOperations = {} as const
