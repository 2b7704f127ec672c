"""Write a few scans of knees in the format of fastMRI's files."""

import io
import tarfile

import h5py
import numpy as np

HEIGHT, SIZE = 640, 320
# (slices, columns) of every volume, by part. The volumes are not in the order
# of names. Columns are fewer, odd, and more than in most published volumes.
VOLUMES = {
  'train': {'file1000007': (2, 372), 'file1000003': (2, 368),
            'file1000011': (1, 321)},
  'val': {'file1000026': (2, 372), 'file1000000': (1, 372),
          'file1000031': (1, 368)},
}  # fmt: skip


def write(folder, packed='val'):
  """Write all volumes, and return them by part and name.

  The part `packed` is an archive. The other part is a folder, as in AlgoPerf.

  Returns:
    {part: {name: (k-space, target, brightest value)}}.
  """
  rng = np.random.default_rng(8)
  made = {}
  for part, sizes in VOLUMES.items():
    made[part] = {name: volume(rng, *size) for name, size in sizes.items()}
    files = {f'{name}.h5': hdf5(*v) for name, v in made[part].items()}
    if part == packed:
      content = archive({f'singlecoil_{part}/{n}': c for n, c in files.items()})
      (folder / f'knee_singlecoil_{part}.tar.xz').write_bytes(content)
    else:
      unpacked(folder / f'knee_singlecoil_{part}', files)
  return made


def volume(rng, slices, width):
  """Draw blobs with a phase and noise, about as bright as real scans.

  Args:
    rng: Random generator.
    slices: Number of slices.
    width: Number of columns.

  Returns:
    k-space [slices, HEIGHT, width], target [slices, SIZE, SIZE], its maximum.
  """
  y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : width * 1j]
  images = []
  for _ in range(slices):
    ys, xs, radii, tops = rng.uniform(0.05, 0.5, (4, 6, 1, 1))
    radii[0], tops[0] = 0.05, 5  # Bright enough to be clipped.
    blobs = tops * np.exp(-(((y - ys) ** 2 + (x - xs) ** 2) / radii**2))
    images.append(blobs.sum(0) * np.exp(1j * (x + 2 * y)))
  kspace = np.stack([shifted(np.fft.fft2, image) for image in images])
  noise = rng.standard_normal((2, *kspace.shape))
  kspace = 1e-4 * (kspace / 480 + 0.02 * (noise[0] + 1j * noise[1]))
  kspace = kspace.astype(np.complex64)
  # Targets use all columns, in double precision.
  target = np.stack([reconstructed(slice) for slice in kspace])
  return kspace, target.astype(np.float32), float(target.max())


def reconstructed(kspace):
  """Return the image by the published formula: the center of its magnitude."""
  height, width = kspace.shape
  image = shifted(np.fft.ifft2, kspace.astype(np.complex128))
  image = np.abs(image * np.sqrt(height * width))
  top, left = (height - SIZE) // 2, (width - SIZE) // 2
  return image[top : top + SIZE, left : left + SIZE]


def shifted(transform, array):
  """Apply a Fourier transform with the origin at the center."""
  return np.fft.fftshift(transform(np.fft.ifftshift(array)))


def hdf5(kspace, target, brightest=None, **others):
  """Return a volume as fastMRI's HDF5 file in bytes.

  Args:
    kspace: k-space [slices, height, width].
    target: Images [slices, SIZE, SIZE].
    brightest: The brightest value, or None to leave it out.
    **others: Arrays that replace others of the same name; None: no such array.
  """
  arrays = {
    'kspace': kspace,
    'reconstruction_esc': target,
    'ismrmrd_header': '<?xml version="1.0"?>',
  }
  file = io.BytesIO()
  with h5py.File(file, 'w') as made:
    for name, array in (arrays | others).items():
      if array is not None:
        made[name] = array
    made.attrs['acquisition'] = 'CORPD_FBK'
    if brightest is not None:
      made.attrs['max'] = brightest
  return file.getvalue()


def unpacked(folder, files):
  """Write {name: bytes} into a new folder."""
  folder.mkdir()
  for name, content in files.items():
    (folder / name).write_bytes(content)


def archive(files, mode='w:xz'):
  """Return a TAR archive of {name: bytes} as bytes."""
  out = io.BytesIO()
  options = {'preset': 0} if mode == 'w:xz' else {}
  with tarfile.open(fileobj=out, mode=mode, **options) as made:
    for name, content in files.items():
      member = tarfile.TarInfo(name)
      member.size = len(content)
      made.addfile(member, io.BytesIO(content))
  return out.getvalue()
