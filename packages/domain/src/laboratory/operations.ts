/** The operations of schema/laboratory that an application may call. */
export const laboratoryOperations = {} as const
