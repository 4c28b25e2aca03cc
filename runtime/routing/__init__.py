"""Who is best for a piece of work: full-text ranking with synonyms, weighted by how such work went before."""
