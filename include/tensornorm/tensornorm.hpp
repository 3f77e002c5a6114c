// Batch normalization over Eigen tensors with the meaning of PyTorch's layers. This header includes all of it
// but the file formats: safetensors.hpp, npy.hpp and probe.hpp are included by those who want them.
#pragma once

#include "array.hpp"
#include "batch_norm.hpp"
#include "channel_view.hpp"
#include "fold.hpp"
#include "functional.hpp"
#include "moments.hpp"
#include "options.hpp"
#include "print.hpp"
#include "running_stats.hpp"
#include "state_dict.hpp"
#include "version.hpp"
