// Batch normalization over Eigen tensors with the meaning of PyTorch's layers. This header includes all of it.
#pragma once

#include "batch_norm.hpp"
#include "channel_view.hpp"
#include "functional.hpp"
#include "moments.hpp"
#include "options.hpp"
#include "running_stats.hpp"
#include "version.hpp"
