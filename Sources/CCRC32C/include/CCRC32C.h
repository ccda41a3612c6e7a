// The instructions that processors have for CRC-32C (Castagnoli's polynomial).

#ifndef CCRC32C_H
#define CCRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// True if this processor has them.
bool crc32c_has_instruction(void);

/// Adds bytes to a CRC, whose first state is 0xffffffff and whose value is the complement of the last one. The processor
/// must have the instructions.
uint32_t crc32c_add(uint32_t state, const void *bytes, size_t count);

#endif
