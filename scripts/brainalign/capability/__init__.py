"""Questions: how they are put, and how answers are judged.

1. `settings`, `tasks`: a task, and its format and scoring.
2. `prompts`: worked examples and the question as text.
3. `answering`: all questions of a task with one model; begin here.
4. `multiple_choice`, `generation`, `minimal_pairs`, `scorers`: the formats.
5. `decoding`, `extraction`: written answers, and the answer in them.
6. `batches`, `shared_prefix`, `cache`: speed without another result.
7. `answer_log`: finished answers, kept for a run that resumes.
"""
