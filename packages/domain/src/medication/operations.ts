/** The operations of schema/medication that an application may call. */
export const medicationOperations = {} as const
