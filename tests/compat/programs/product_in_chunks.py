"""A product too large for one machine, in chunks of rows and of columns that are zipped and stacked."""

import numpy as np
import scipy.sparse as sparse
from sparse_dot_topn import sp_matmul, sp_matmul_topn, zip_sp_matmul_topn

random = np.random.default_rng(7)
A = sparse.random(1000, 2000, density=0.02, format="csr", dtype=np.float32, random_state=random)
B = sparse.random(600, 2000, density=0.02, format="csr", dtype=np.float32, random_state=random)

whole = sp_matmul_topn(A, B.T, top_n=10, threshold=0.01, sort=True)

row_chunks = [A[i * 200 : (i + 1) * 200] for i in range(5)]
column_chunks = [B[:100], B[100:300], B[300:]]
products = [[sp_matmul_topn(a, b.T, top_n=10, threshold=0.01, sort=True) for b in column_chunks] for a in row_chunks]
zipped = [zip_sp_matmul_topn(top_n=10, C_mats=of_rows) for of_rows in products]
stacked = sparse.vstack(zipped, dtype=np.float32)

print(stacked.shape, stacked.nnz, stacked.dtype, f"{stacked.sum():.3f}")
print("same as the whole:", np.allclose(stacked.toarray(), whole.toarray()))
print("longest row:", np.diff(stacked.indptr).max(), "first row:", zipped[0][0].indices.tolist())

full = sp_matmul(A, B.T, n_threads=2)
print("order of SciPy:", np.array_equal(full.indices, A.dot(B.T).indices), full.nnz)
