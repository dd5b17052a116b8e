"""Published data and the user's: raw files, and the readers that bring them into one form.

1. `settings`, `question_settings`, `text_settings`, `surprisal_settings`: a class for each type
   of source; `names`, `measures`: what tables call a benchmark's data.
2. `raw`: raw files in the mirror, in the downloads or on the network, and their digests.
3. `registry`: which module reads a source.
4. `prepared`: what every reader returns. A short reader: `tuckute2024`; each reader is named like
   its type of source.
5. `assembly` (Brain-Score's files), `words`, `printed`, `reading_times`, `eye_movements`, `subset`,
   `restricted_pickle`: parts that readers share.
6. `listening` (stories on one clock), `images`, `image_headers`, `textgrid`, `confounds`: parts of
   the readers of natural listening, `lebel2023`, `narratives`, `petit_prince`.
7. `own*`: the user's data and questions; `own_keys`: faults of the keys of a source;
   `own_regions`: regions of scans and surfaces.
8. `langloc`, `localizer`: sentences and non-words that find language units.
9. `mmlu`, `bbh`, `blimp`, `wikitext2`, `alpaca`: questions, texts, instructions;
   `question_counts`: how many there are.
10. `kuribayashi2024`, `michaelov2024`, `published_surprisal`, `surprisal_table`: published
   surprisal.
"""
