"""The pages of the library: Svelte and TypeScript, and in `built` what they are built to."""
