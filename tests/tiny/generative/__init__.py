"""Those that write answers about pictures, with the tokenizer, processor and chat template of their class."""
