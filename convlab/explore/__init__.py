"""Pictures under controls, and questions that check themselves."""
