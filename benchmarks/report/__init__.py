"""What the pages show of stored figures: generated blocks, tables, pictures, figures of others."""
