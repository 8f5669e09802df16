"""A rendered road: a camera, a street, vehicles with volume, and a lens. numpy and OpenCV only.

Road coordinates are metres: X across the road to the camera's right, Y along it away from the camera, Z up; the
origin is the point of the road under the camera.
"""
