/** The operations of schema/insurance that an application may call. */
export const insuranceOperations = {} as const
