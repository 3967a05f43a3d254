/** The operations of schema/inventory that an application may call. */
export const inventoryOperations = {} as const
