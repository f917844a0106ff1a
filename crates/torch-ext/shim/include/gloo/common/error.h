// Declarations of gloo that ProcessGroupGloo.hpp names; libtorch contains gloo itself but not its headers.
#pragma once
